"""Storage's blobs: containers and block blobs of one account in each region, for callers with a data role."""
