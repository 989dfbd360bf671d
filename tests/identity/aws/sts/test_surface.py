"""STS as boto3 sees it: identities, and that a region answers without asking anyone."""

from __future__ import annotations

from support.simulated_aws import SimulatedAws, temporary


def test_a_long_term_key_is_somebody(aws: SimulatedAws) -> None:
    """GetCallerIdentity tells whose key signed."""
    answer = aws.client("sts", aws.maker.key_of("caller")).get_caller_identity()
    assert answer["Arn"] == f"arn:aws:iam::{aws.maker.account_id}:user/caller"
    assert answer["Account"] == aws.maker.account_id
    assert answer["UserId"].startswith("AIDA")
    assert answer["ResponseMetadata"]["RequestId"]


def test_a_role_can_be_assumed(aws: SimulatedAws) -> None:
    """The credentials of a session are good in every region, and are the session's."""
    made = aws.client("sts", aws.maker.key_of("caller")).assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")
    for node in ("sydney.token.z2", "melbourne.token.z1"):
        seen = aws.client("sts", temporary(made), node).get_caller_identity()
        assert seen["Arn"] == f"arn:aws:sts::{aws.maker.account_id}:assumed-role/app/job" == made["AssumedRoleUser"]["Arn"]
