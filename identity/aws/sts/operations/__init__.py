"""The operations of STS, each a function from a StsCall to the members of its output (brownout.identity.aws.sts.table)."""
