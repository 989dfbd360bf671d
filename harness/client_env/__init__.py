"""What a client of a stack finds in its environment: the stack file, variables for unmodified SDKs, files on its machine."""
