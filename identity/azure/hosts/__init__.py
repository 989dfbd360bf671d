"""Token endpoints of machines: the instance metadata service and its relatives."""
