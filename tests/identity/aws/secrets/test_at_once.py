"""A secret is read without a coroutine: the same answers as with one, and nothing of what has to be written."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.secrets.surface import AT_ONCE, SecretsManager
from brownout.identity.core.messages import Request
from brownout.identity.core.surface import Served
from support.simulated_aws import SimulatedAws

VAULT = "sydney.vault"
_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}")


def surface(aws: SimulatedAws) -> SecretsManager:
    return next(each for each in aws.node(VAULT).surfaces if isinstance(each, SecretsManager))


def asked(aws: SimulatedAws, action: str = "GetSecretValue", key: Credentials | None = None, **body: Any) -> Request:
    lines = ((b"content-type", b"application/x-amz-json-1.1"), (b"x-amz-target", f"secretsmanager.{action}".encode()))
    plain = Request.raw("POST", "/", lines, json.dumps(body).encode())
    signer = key or aws.maker.key_of("caller")
    return sign(plain, signer, service="secretsmanager", region="ap-southeast-2", now_s=aws.now_s, host="127.0.0.1:1")


def parts(served: Served) -> list[bytes]:
    response = served.response
    values = [value for name, value in response.raw_headers if name != b"x-brownout-authorization-message"]
    return [_ID.sub(b"", part) for part in (*values, response.payload)]


@pytest.mark.parametrize(
    ("user", "body", "status"),
    [
        ("caller", {"SecretId": "sample"}, 200),
        ("caller", {"SecretId": "nothing"}, 400),
        ("caller", {"SecretId": "sample", "VersionStage": "OTHER"}, 400),
        ("caller", {}, 400),
        ("caller", {"SecretId": 7}, 400),
        ("nobody", {"SecretId": "sample"}, 400),
    ],
)
def test_what_comes_at_once_is_what_is_served(aws: SimulatedAws, user: str, body: dict[str, Any], status: int) -> None:
    """Values and refusals are the same but for their ids, with the same hop."""
    aws.publish()
    request = asked(aws, key=aws.maker.key_of(user), **body)
    at_once, served = surface(aws).at_once(request), aws.world.run(surface(aws).serve(request))
    assert at_once is not None
    assert at_once.response.status == served.response.status == status
    assert parts(at_once) == parts(served)
    assert at_once.hop == served.hop


def test_a_wrong_signature_is_refused_at_once(aws: SimulatedAws) -> None:
    """Each request is verified in full, also after a good one of the same key."""
    aws.publish()
    good = aws.maker.key_of("caller")
    wrong = Credentials(good.access_key_id, "x" * 40)
    requests = [asked(aws, key=key, SecretId="sample") for key in (good, wrong, good, wrong)]
    answers = [surface(aws).at_once(request) for request in requests]
    assert [answer and answer.response.status for answer in answers] == [200, 400, 200, 400]


def test_what_is_written_is_not_answered_at_once(aws: SimulatedAws) -> None:
    """It is durable before it is answered. What names no operation is served as ever, and so is all with a capacity."""
    aws.publish()
    assert "PutSecretValue" not in AT_ONCE
    assert surface(aws).at_once(asked(aws, "PutSecretValue", SecretId="sample", SecretString="new")) is None
    assert surface(aws).at_once(asked(aws, "Nonsense")) is None
    aws.hold(VAULT, "capacity", at_once=1)
    assert surface(aws).at_once(asked(aws, SecretId="sample")) is None
