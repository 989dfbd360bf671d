"""What real clients of Azure do with each answer of IMDS, measured on a real stack (docs/azure-clients.md)."""
