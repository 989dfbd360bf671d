"""Identity providers that the account trusts, and its own tokens for others."""
