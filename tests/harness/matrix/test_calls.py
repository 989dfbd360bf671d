"""What clients try again is what botocore tries again, by its own table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore
import pytest

from brownout.harness.load.models.model import ArrivalResult
from brownout.harness.matrix.calls import AGENT, CALLS, METADATA, SDK, SERVER_ERRORS, THROTTLES
from brownout.identity.aws.protocol.services import service

RETRIES: dict[str, Any] = json.loads((Path(botocore.__file__).parent / "data" / "_retry.json").read_text(encoding="utf-8"))


def answers(policies: dict[str, Any]) -> list[dict[str, Any]]:
    return [found["applies_when"]["response"] for found in policies.values() if "response" in found["applies_when"]]


def test_the_statuses_and_codes_are_botocore_s() -> None:
    """Those of the mode `legacy`, and the one that STS adds."""
    found = answers(RETRIES["definitions"]) + answers(RETRIES["retry"]["sts"]["__default__"]["policies"])
    codes = {each["service_error_code"] for each in found if each["http_status_code"] == 400}
    assert codes == THROTTLES
    assert {each["http_status_code"] for each in found if "service_error_code" not in each} == SERVER_ERRORS
    assert RETRIES["retry"]["__default__"]["max_attempts"] == SDK.attempts


@pytest.mark.parametrize(
    ("result", "retried"),
    [
        (ArrivalResult(200, "happened"), False),
        (ArrivalResult(503, "refused", "ServiceUnavailable"), True),
        (ArrivalResult(0, "unknown", "timeout"), True),
        (ArrivalResult(400, "refused", "Throttling"), True),
        (ArrivalResult(400, "refused", "ValidationError"), False),
        (ArrivalResult(403, "refused", "AccessDenied"), False),
    ],
)
def test_an_sdk_tries_outages_again_and_refusals_not(result: ArrivalResult, retried: bool) -> None:
    """By the status and the code of its last attempt."""
    assert SDK.retries(result) is retried
    assert AGENT.retries(result) is (result.outcome != "happened")


def test_each_call_has_a_name_of_its_own() -> None:
    """Columns are told apart by names; those of IMDS and of the agent are not disturbed by others."""
    assert len({call.name for call in CALLS}) == len({call.title for call in CALLS}) == len(CALLS)
    assert {call.name for call in CALLS if call.patience.is_short} == {
        *("instance-metadata", "instance-metadata-new", "container-credentials")
    }
    assert METADATA.attempts == 1


def test_the_calls_are_operations_of_the_models() -> None:
    """The titles name the operations that AWS's models have."""
    known = {*service("sts").operation_names, *service("iam").operation_names, *service("secretsmanager").operation_names}
    named = [call.title.partition(",")[0].partition(" by ")[0] for call in CALLS if call.patience is SDK]
    assert set(named) <= known
