"""Azure Resource Manager: paths, resources, operations and errors."""
