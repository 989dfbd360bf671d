"""IAM's policy language: documents read and checked, requests evaluated against them. Pure functions, no I/O."""
