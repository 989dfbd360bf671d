"""Azure's surfaces: ARM, IMDS, Entra and Key Vault as real clients speak them (docs/reference/azure-wire.md)."""
