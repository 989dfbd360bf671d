"""What a record says of the application that a run was about."""
