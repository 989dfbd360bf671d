"""Azure's control plane: role definitions and assignments, resource groups, and who may do what by them."""
