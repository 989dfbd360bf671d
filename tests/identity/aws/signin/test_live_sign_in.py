"""Sign-in by its real names: an HTTPS client behind the proxy of a stack of processes, with the home region cut off."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from support.live_aws import LiveAws, live_aws

from .conftest import MELBOURNE, SYDNEY

pytestmark = pytest.mark.slow
PASSWORD = "Correct-horse-7"
HOST = "signin.aws.amazon.com"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAws]:
    with live_aws(tmp_path_factory.mktemp("sign-in"), edge=True) as standing:
        yield standing


def browser(live: LiveAws, region: str) -> httpx.Client:
    """A browser that stands in the region and knows the stack's private authority."""
    doors = live.world.endpoints().edge
    assert doors is not None
    return httpx.Client(proxy=doors.proxies[region], verify=ssl.create_default_context(cafile=doors.ca_bundle), timeout=20)


def status_of(client: httpx.Client, url: str, account: str) -> int:
    fields = {"account": account, "username": "bob", "password": PASSWORD}
    return client.post(url, data=fields).status_code


def test_the_account_s_name_and_a_region_s_sign_in_through_a_cut(live: LiveAws) -> None:
    """With `region=` of a live region, or its own name, sign-in goes on; the same name without a region does not."""
    iam: Any = live.client("iam", "sydney.management")
    iam.create_user(UserName="bob")
    iam.create_login_profile(UserName="bob", Password=PASSWORD)
    account = f"https://{live.account}.{HOST}/console"
    with browser(live, "melbourne") as client:
        ends_s = time.monotonic() + 15
        while status_of(client, f"{account}?region={MELBOURNE}", live.account) != 200:
            assert time.monotonic() < ends_s, "the region has heard of the password by now"
            time.sleep(0.2)
        assert status_of(client, account, live.account) == 200
        cuts = [
            Carrier("link", str(link))
            for link in live.world.spec.links()
            if {link.source.split(".")[0], link.target.split(".")[0]} == {"sydney", "melbourne"}
        ]
        for cut in cuts:
            live.runner.run(live.world.hold(cut, "cut", LinkEffect("refuse")))
        try:
            seen = {
                url: status_of(client, url, live.account)
                for url in (
                    f"{account}?region={MELBOURNE}",
                    f"https://{MELBOURNE}.{HOST}/console",
                    account,
                    f"{account}?region={SYDNEY}",
                )
            }
        finally:
            for cut in cuts:
                live.runner.run(live.world.release(cut, "cut"))
    assert list(seen.values()) == [200, 200, 503, 503], seen
