"""Machines of a stack as processes of this machine play them."""
