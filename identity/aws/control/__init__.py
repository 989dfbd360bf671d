"""IAM's control plane: the account, its operations, and the part of the directory that serves and publishes it."""
