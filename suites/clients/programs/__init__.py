"""The clients that are measured: small programs, in each language one."""
