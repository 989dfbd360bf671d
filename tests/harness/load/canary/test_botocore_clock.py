"""botocore on a clock of another day: what it signs, when its credentials end, and how it leaves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore import credentials
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, DeferredRefreshableCredentials, RefreshableCredentials

from brownout.harness.load.canary.botocore_clock import botocore_clock

THEN_S = 1_720_742_400.0  # 2024-07-12T00:00:00Z


def signed_date() -> str:
    request = AWSRequest(method="GET", url="http://127.0.0.1:1/")
    SigV4Auth(Credentials("AKIAEXAMPLE", "secret"), "sts", "eu-west-1").add_auth(request)
    return str(request.headers["X-Amz-Date"])


def metadata(ends_s: float) -> dict[str, str]:
    ends = datetime.fromtimestamp(ends_s, UTC).isoformat()
    return {"access_key": "ASIAEXAMPLE", "secret_key": "s", "token": "t", "expiry_time": ends}


def test_signatures_are_of_the_clock_s_time() -> None:
    """Of the time that the clock shows then, and of the machine's again afterwards."""
    now_s = THEN_S
    with botocore_clock(lambda: now_s):
        assert signed_date() == "20240712T000000Z"
        now_s += 61
        assert signed_date() == "20240712T000101Z"
    assert not signed_date().startswith("20240712")


@pytest.mark.parametrize("deferred", [False, True])
def test_credentials_end_by_the_clock(deferred: bool) -> None:
    """They are renewed within a quarter of an hour of their end, and not before."""
    asked: list[float] = []
    now_s = THEN_S

    def renew() -> dict[str, str]:
        asked.append(now_s)
        return metadata(now_s + 3600)

    with botocore_clock(lambda: now_s):
        if deferred:
            held = DeferredRefreshableCredentials(renew, "test")
        else:
            held = RefreshableCredentials.create_from_metadata(renew(), renew, "test")
        for minute in (0, 44, 46):
            now_s = THEN_S + minute * 60
            held.get_frozen_credentials()
    assert asked == [THEN_S, THEN_S + 46 * 60]


def test_nothing_of_it_stays_after_an_error() -> None:
    """The function and the default arguments are what they were."""
    before = (credentials._local_now, RefreshableCredentials.__init__.__defaults__)
    with pytest.raises(ValueError, match="in use"), botocore_clock(lambda: THEN_S):
        raise ValueError("in use")
    assert (credentials._local_now, RefreshableCredentials.__init__.__defaults__) == before
