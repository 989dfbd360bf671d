"""STS without a coroutine: the same answers as with one, and nothing of what has to wait for something."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.sts.surface import AT_ONCE, Sts
from brownout.identity.core.messages import FORM_TYPE, Request
from brownout.identity.core.surface import Served
from brownout.identity.server.answering import Answering, Received
from support.simulated_aws import STS_NODE, SimulatedAws

HOST = "127.0.0.1:1"
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}")


def sts(aws: SimulatedAws) -> Sts:
    return next(surface for surface in aws.node().surfaces if isinstance(surface, Sts))


def asked(aws: SimulatedAws, key: Credentials | None = None, path: str = "/", **form: str) -> Request:
    payload = urlencode({"Version": "2011-06-15", **form}).encode()
    plain = Request.raw("POST", path, ((b"content-type", FORM_TYPE.encode()),), payload)
    signer = key or aws.maker.key_of("caller")
    return sign(plain, signer, service="sts", region="ap-southeast-2", now_s=aws.now_s, host=HOST)


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"Action": "GetCallerIdentity"}, 200),
        ({"Action": "GetAccessKeyInfo", "AccessKeyId": "ASIAY34FZKBOKMUTVV7A"}, 200),
        ({"Action": "AssumeRole", "RoleArn": "arn:aws:iam::1:role/x"}, 400),
        ({"Action": "AssumeRole", "RoleArn": "arn:aws:iam::123456789012:role/nobody", "RoleSessionName": "job"}, 403),
        ({"Action": "Nonsense"}, 400),
        ({}, 400),
    ],
)
def test_what_comes_at_once_is_what_is_served(aws: SimulatedAws, form: dict[str, str], status: int) -> None:
    """Results and refusals are the same but for their ids, with the same hop."""
    aws.publish()
    request = asked(aws, **form)
    at_once, served = sts(aws).at_once(request), aws.world.run(sts(aws).serve(request))
    assert at_once is not None
    assert (at_once.response.status, served.response.status) == (status, status)
    if status != 403:  # a denial has a sealed message in a header, which is new each time
        assert [_ID.sub(b"", part) for part in parts(at_once)] == [_ID.sub(b"", part) for part in parts(served)]
    assert at_once.hop == served.hop


def parts(served: Served) -> list[bytes]:
    return [*(value for _, value in served.response.raw_headers), served.response.payload]


def test_a_wrong_signature_is_refused_at_once(aws: SimulatedAws) -> None:
    """Each request is verified in full, also after a good one of the same key."""
    aws.publish()
    good = aws.maker.key_of("caller")
    wrong = Credentials(good.access_key_id, "x" * 40)
    assert [
        served.response.status
        for key in (good, wrong, good, wrong)
        if (served := sts(aws).at_once(asked(aws, key, Action="GetCallerIdentity")))
    ] == [200, 403, 200, 403]


def test_what_waits_for_others_is_not_answered_at_once(aws: SimulatedAws) -> None:
    """An operation that is a coroutine is served as ever; so is all while the node has a capacity."""
    aws.publish()
    assert "AssumeRoot" not in AT_ONCE
    assert sts(aws).at_once(asked(aws, Action="AssumeRoot")) is None
    aws.hold(STS_NODE, "capacity", at_once=1)
    assert sts(aws).at_once(asked(aws, Action="GetCallerIdentity")) is None


def test_a_signed_request_to_the_control_plane_is_not_for_sts(aws: SimulatedAws) -> None:
    """Whatever its signature, a path of the control plane is the node's own."""
    aws.publish()
    node = aws.node()
    answering = Answering(node, node.surfaces)
    control, client = (asked(aws, path=path, Action="GetCallerIdentity") for path in ("/_brownout/admin/state", "/"))
    assert answering.at_once(Received(control, is_last=False), b"") is None
    assert (answering.at_once(Received(client, is_last=False), b"") or b"").startswith(b"HTTP/1.1 200")
