"""IAM: the front end on each region's management node. Its operations are in `brownout.identity.aws.control`."""
