"""What the account tells about itself as a whole: authorization details, credentials, last accesses."""
