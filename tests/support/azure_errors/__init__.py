"""Every error that docs/reference/azure-wire.md has in a table, as data: what provokes it, and what is answered."""
