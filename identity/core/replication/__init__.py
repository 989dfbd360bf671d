"""What a directory publishes, as nodes hold it, and what of it an offer must go back to."""
