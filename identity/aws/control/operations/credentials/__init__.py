"""Credentials of users: access keys, passwords, MFA devices, SSH keys, certificates."""
