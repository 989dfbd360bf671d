"""The process of a standing stack's fault API: started with the stack, found by its record, ended with the stack."""
