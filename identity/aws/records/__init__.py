"""What the AWS half knows, as values: the account's records, what a region is sent, what an account starts with."""
