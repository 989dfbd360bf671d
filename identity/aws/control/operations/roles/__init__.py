"""Roles, those of services among them, and the instance profiles that hold them."""
