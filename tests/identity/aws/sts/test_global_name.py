"""The global name of STS: its scope, and where its tokens are good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from brownout.identity.aws.records.settings import AccountSettings
from support.simulated_aws import SimulatedAws, refusal, temporary

HOST = "sts.amazonaws.com"
SYDNEY, MELBOURNE = "sydney.token.z1", "melbourne.token.z1"


def global_sts(aws: SimulatedAws, node: str = SYDNEY, **more: Any) -> Any:
    return aws.client("sts", aws.maker.key_of("caller"), node, host=HOST, **{"region": "us-east-1", **more})


def test_the_global_name_is_signed_for_us_east_1(aws: SimulatedAws) -> None:
    """In whichever region it is served; a regional scope is refused there, as the global one is elsewhere."""
    for node in (SYDNEY, MELBOURNE):
        assert global_sts(aws, node).get_caller_identity()["Account"] == aws.maker.account_id
    regional = aws.client("sts", aws.maker.key_of("caller"), region="us-east-1")
    for wrong in (global_sts(aws, region="ap-southeast-2"), regional):
        assert refusal(wrong.get_caller_identity).code == "SignatureDoesNotMatch"


def test_its_tokens_are_not_good_in_regions_that_an_account_enables(aws: SimulatedAws) -> None:
    """Version 1 is for regions that are enabled by default; a regional token is good everywhere."""
    made = temporary(global_sts(aws).get_session_token())
    aws.client("sts", made).get_caller_identity()
    assert refusal(aws.client("sts", made, MELBOURNE).get_caller_identity).code == "InvalidClientTokenId"
    regional = temporary(aws.client("sts", aws.maker.key_of("caller")).get_session_token())
    aws.client("sts", regional, MELBOURNE).get_caller_identity()


def test_version_2_is_good_everywhere(aws: SimulatedAws) -> None:
    """Once the account asks for it, which the region learns by replication."""
    aws.maker.put(replace(AccountSettings(), global_token_version=2))
    aws.publish()
    made = temporary(global_sts(aws).get_session_token())
    aws.client("sts", made, MELBOURNE).get_caller_identity()


def test_some_operations_are_regional_only(aws: SimulatedAws) -> None:
    """The global name does not know them."""
    found = refusal(global_sts(aws).get_web_identity_token, Audience=["x"], SigningAlgorithm="RS256")
    assert found.code == "InvalidAction"
