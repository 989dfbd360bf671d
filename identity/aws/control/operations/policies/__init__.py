"""Managed policies with their versions and attachments, inline policies, boundaries, simulation."""
