"""Whatever is sent to a node of AWS's half, the answer is whole and can be put on the wire; no defect, and no crash."""

from __future__ import annotations

import random

import pytest

from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity import wire
from brownout.identity.core.messages import FORM_TYPE, Request
from support.parsed_messages import parsed_answer
from support.simulated_aws import EPOCH_S

NODES = ("host", "token.z1", "vault", "management")
REQUESTS = 500
METHODS = ("GET", "GET", "PUT", "POST", "POST", "DELETE", "HEAD", "OPTIONS", "TRACE")
WORDS = (
    *("", "web-1", "latest", "2021-03-23", "1.0", "meta-data", "api", "token", "iam", "security-credentials", "web", "info"),
    *("dynamic", "instance-identity", "document", "user-data", "v1", "v2", "credentials", "scaleout_3", "placement"),
    *("console", "federation", "logout", "%00", "%ff", "..", "%0d%0ax:y", "x" * 300, "\u00e9", "a%2Fb", ";", "@"),
)
NAMES = (
    *("Action", "Version", "region", "Session", "SigninToken", "Destination", "SessionDuration", "StackName", "TemplateBody"),
    *("account", "username", "password", "mfa_code", "assertion", "challenge", "Tags.member.1.Key", "", "%", "a[]"),
)
VALUES = (
    *(
        "",
        "x",
        "login",
        "getSigninToken",
        "CreateStack",
        "ListUsers",
        "GetCallerIdentity",
        "2010-05-15",
        "2010-05-08",
        "2011-06-15",
    ),
    *(
        "ap-southeast-2",
        "ap-southeast-4",
        "{",
        "[]",
        "{}",
        "null",
        '{"sessionId":1}',
        "9" * 400,
        "\n",
        "\u2028",
        "\ud7ff",
        "'\"<>",
    ),
)
HEADERS = (
    *("x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds", "authorization", "x-amz-target", "cookie", "host"),
    *("content-type", "x-forwarded-for", "x-amz-security-token", "x-amz-date", "expect"),
)
HEADER_VALUES = (
    *("", "60", "-1", "AQAAA", "guess", "aws-creds=x", "aws-creds=", "secretsmanager.GetSecretValue", "signin.aws.amazon.com"),
    *("AWS4-HMAC-SHA256 Credential=A/20250101/ap-southeast-2/sts/aws4_request, SignedHeaders=host, Signature=00", FORM_TYPE),
    *("application/x-amz-json-1.1", "ap-southeast-4.signin.aws.amazon.com:443", "\xff\xfe", "x" * 5000),
)


def some_request(chance: random.Random) -> Request:
    """A request of parts that nodes know, put together without sense."""

    def pick(parts: tuple[str, ...], most: int) -> list[str]:
        return [chance.choice(parts) for _ in range(chance.randint(0, most))]

    fields = "&".join(f"{name}={value}" for name, value in zip(pick(NAMES, 5), pick(VALUES, 5), strict=False))
    path = "/" + "/".join(pick(WORDS, 5)) if chance.random() < 0.7 else "/"
    target = f"{path}?{fields}" if chance.random() < 0.4 else path
    lines = [
        (name.encode(), value.encode("latin-1", "replace"))
        for name, value in zip(pick(HEADERS, 4), pick(HEADER_VALUES, 4), strict=False)
    ]
    payload = fields if chance.random() < 0.6 else chance.choice(VALUES)
    if chance.random() < 0.4:
        lines = [*(line for line in lines if line[0] != b"content-type"), (b"content-type", FORM_TYPE.encode())]
    return Request.raw(
        chance.choice(METHODS), target.encode("utf-8").decode("latin-1"), lines, payload.encode("utf-8", "replace")
    )


@pytest.mark.parametrize("role", NODES)
def test_any_request_gets_a_whole_answer(role: str) -> None:
    """A status of HTTP, headers of one line each, a payload: for hundreds of requests at each kind of node."""
    chance = random.Random(f"aws {role}")
    world = SimulationWorld(build_stack(seed=3, vendors=("aws", "azure")), epoch_s=EPOCH_S)

    async def story() -> None:
        await world.start()
        node = world._nodes[f"melbourne.{role}"].node
        assert node is not None
        for _ in range(REQUESTS):
            request = some_request(chance)
            answer = await node.handle(request)
            sent = parsed_answer(wire.encode_response(answer))
            assert 200 <= sent.status <= 599, request
            assert sent.payload or sent.status < 400, request

    try:
        world.run(story())
    finally:
        world.kernel.close()
