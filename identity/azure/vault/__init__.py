"""Protected APIs that judge tokens: Key Vault."""
