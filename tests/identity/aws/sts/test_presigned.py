"""Presigned calls of STS: how clusters and vaults that do not know AWS's keys let somebody else prove who calls.

A client makes a URL of GetCallerIdentity and hands it on; who gets it fetches it, and STS says whose it is
(docs/reference/aws-wire.md#signature-version-4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request, Response
from support.simulated_aws import STS_NODE, SimulatedAws, temporary

MIN_S = 60.0


def url_of(
    aws: SimulatedAws, credentials: Credentials, *, cluster: str = "", expires_s: int = 60, method: str | None = "GET"
) -> str:
    """A presigned URL of GetCallerIdentity, with EKS's header among what is signed if a cluster is named.

    Without a method botocore signs for the one of the service model, which is POST.
    """
    sts = aws.client("sts", credentials)

    def name_cluster(request: Any, **_: Any) -> None:
        request.headers["x-k8s-aws-id"] = cluster

    if cluster:
        sts.meta.events.register("before-sign.sts.GetCallerIdentity", name_cluster)
    return str(sts.generate_presigned_url("get_caller_identity", ExpiresIn=expires_s, HttpMethod=method))


def fetch(aws: SimulatedAws, url: str, headers: tuple[tuple[bytes, bytes], ...] = (), method: str = "GET") -> Response:
    """What somebody who knows nothing but the URL gets for it."""
    parts = urlsplit(url)
    lines = ((b"host", parts.netloc.encode()), (b"user-agent", b"anybody"), *headers)
    request = Request.raw(method, f"{parts.path or '/'}?{parts.query}", lines)
    return aws.world.run(aws.world.client(STS_NODE, request, timeout_s=5))


def long_term(aws: SimulatedAws) -> tuple[Credentials, str]:
    return aws.maker.key_of("caller"), ":user/caller<"


def session(aws: SimulatedAws) -> tuple[Credentials, str]:
    sts = aws.client("sts", aws.maker.key_of("caller"))
    made = temporary(sts.assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="pod-1"))
    return made, ":assumed-role/app/pod-1<"


@pytest.mark.parametrize("who", [long_term, session])
def test_a_presigned_url_says_who_made_it(aws: SimulatedAws, who: Callable[[SimulatedAws], tuple[Credentials, str]]) -> None:
    """Fetched by anybody, with a long-term key or with a session behind it."""
    credentials, arn = who(aws)
    by_get = fetch(aws, url_of(aws, credentials))
    by_post = fetch(aws, url_of(aws, credentials, method=None), method="POST")
    assert [by_get.status, by_post.status] == [200, 200]
    assert arn.encode() in by_get.payload


def test_a_cluster_sees_that_the_url_was_made_for_it(aws: SimulatedAws) -> None:
    """Its header is signed: without it, or with another cluster's name, the URL is worth nothing."""
    url = url_of(aws, aws.maker.key_of("caller"), cluster="blue")
    statuses = [
        fetch(aws, url, headers).status for headers in (((b"x-k8s-aws-id", b"blue"),), ((b"x-k8s-aws-id", b"red"),), ())
    ]
    assert statuses == [200, 403, 403]


@pytest.mark.parametrize("expires_s", [1, 60, 3600])
def test_a_url_is_good_for_fifteen_minutes_whatever_it_says(aws: SimulatedAws, expires_s: int) -> None:
    """STS does not look at X-Amz-Expires."""
    url = url_of(aws, aws.maker.key_of("caller"), expires_s=expires_s)
    aws.sleep(14 * MIN_S)
    assert fetch(aws, url).status == 200
    aws.sleep(2 * MIN_S)
    late = fetch(aws, url)
    assert late.status == 403
    assert b"<Message>Signature expired: " in late.payload


def test_a_url_calls_nothing_else(aws: SimulatedAws) -> None:
    """Another action or method, or a field more, is another request."""
    url = url_of(aws, aws.maker.key_of("caller"))
    other = url.replace("Action=GetCallerIdentity", "Action=GetSessionToken")
    for answer in (fetch(aws, other), fetch(aws, f"{url}&Version=2011-06-15"), fetch(aws, url, method="POST")):
        assert answer.status == 403
        assert b"<Code>SignatureDoesNotMatch</Code>" in answer.payload
