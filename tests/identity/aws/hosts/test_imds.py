"""IMDS answers as the real one does (docs/reference/aws-wire.md#instance-metadata)."""

from __future__ import annotations

import asyncio
import json

import pytest

from brownout.identity.aws.hosts.containers import authorization_token, eks_path
from brownout.identity.core.messages import Request
from brownout.identity.core.node import Node
from brownout.identity.core.trail import parse
from support.aws_machines import EPOCH_S, LIFETIME_S, TokenNodes, host_of

from .conftest import TOKEN, TTL, Metadata

CREDENTIALS = "/web-1/latest/meta-data/iam/security-credentials"


@pytest.mark.parametrize("wrong", ["", "0", "21601", "-5", "many"])
def test_a_token_needs_a_lifetime_from_one_second_to_six_hours(metadata: Metadata, wrong: str) -> None:
    """A PUT without the header or with another value is 400, in XHTML."""
    headers = {TTL: wrong} if wrong else {}
    answer = metadata.ask("/web-1/latest/api/token", "PUT", **headers)
    assert answer.status == 400
    assert b"<h1>400 - Bad Request</h1>" in answer.payload


def test_a_token_is_text_with_its_lifetime_in_a_header(metadata: Metadata) -> None:
    """The PUT's answer is the token itself; the header says how long it is good."""
    answer = metadata.ask("/web-1/latest/api/token", "PUT", **{TTL: "60"})
    assert (answer.status, answer.headers["content-type"], answer.headers[TTL]) == (200, "text/plain", "60")
    assert answer.headers["server"] == "EC2ws"


def test_a_token_through_a_proxy_is_refused(metadata: Metadata) -> None:
    """X-Forwarded-For makes the PUT a 403."""
    assert metadata.ask("/web-1/latest/api/token", "PUT", **{TTL: "60", "x-forwarded-for": "10.0.0.1"}).status == 403


def test_only_put_makes_tokens_and_only_get_reads(metadata: Metadata) -> None:
    """Other methods are 405 with those that are allowed."""
    read = metadata.ask("/web-1/latest/api/token")
    assert (read.status, read.headers["allow"]) == (405, "OPTIONS, PUT")
    assert metadata.ask("/web-1/latest/meta-data/", "POST").status == 405
    assert metadata.ask("/web-1/latest/meta-data/", "HEAD").status == 200


def test_a_get_with_a_good_token_says_how_long_it_is_still_good(metadata: Metadata) -> None:
    """The remaining seconds fall, and from the end on the token is 401."""
    token = metadata.token(ttl="60")
    metadata.nodes.now_s += 20
    answer = metadata.ask("/web-1/latest/meta-data/instance-id", **{TOKEN: token})
    assert (answer.status, answer.headers[TTL]) == (200, "40")
    metadata.nodes.now_s += 40
    assert metadata.ask("/web-1/latest/meta-data/instance-id", **{TOKEN: token}).status == 401


@pytest.mark.parametrize("token", ["", "guess", "AQAAA" + "A" * 49 + "=="])
def test_a_wrong_token_is_refused_even_where_none_is_needed(metadata: Metadata, token: str) -> None:
    """With `optional` tokens a request without one is answered, one with a wrong one is not."""
    assert metadata.ask("/web-1/latest/meta-data/instance-id").status == 200
    answer = metadata.ask("/web-1/latest/meta-data/instance-id", **{TOKEN: token})
    assert answer.status == 401
    assert b"<title>401 - Unauthorized</title>" in answer.payload


def test_another_machine_s_token_is_refused(metadata: Metadata) -> None:
    """A token is good for the machine that made it."""
    assert metadata.ask("/web-2/latest/meta-data/instance-id", **{TOKEN: metadata.token("web-1")}).status == 401


def test_required_tokens_close_version_one() -> None:
    """With `imds_http_tokens: required` a GET without a token is 401, one with it is answered."""
    nodes = TokenNodes()
    strict = Metadata(nodes, host_of(nodes, imds_http_tokens="required"))
    assert strict.ask(f"{CREDENTIALS}/").status == 401
    assert strict.ask(f"{CREDENTIALS}/", **{TOKEN: strict.token()}).payload == b"web"


def test_a_token_outlives_a_restart_of_its_host(metadata: Metadata) -> None:
    """A token made by an earlier life of the host is still good."""
    token = metadata.token()
    again = Metadata(metadata.nodes, host_of(metadata.nodes))
    assert again.ask("/web-1/latest/meta-data/", **{TOKEN: token}).status == 200


def test_the_role_is_listed_and_its_document_has_credentials(metadata: Metadata) -> None:
    """The listing is the role's name as it is; the document has seven fields, with the life that the token node gave."""
    assert metadata.ask(f"{CREDENTIALS}/").payload == b"web"
    document = json.loads(metadata.ask(f"{CREDENTIALS}/web").payload)
    expected = {"Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert set(document) == expected
    assert (document["Code"], document["Type"]) == ("Success", "AWS-HMAC")
    assert (document["LastUpdated"], document["Expiration"]) == ("2024-07-12T00:00:00Z", "2024-07-12T06:00:00Z")


def test_real_clients_read_expiry_by_their_own_clock() -> None:
    """With `real_client_clocks` both documents tell times by the real clock, which is a day ahead here."""
    nodes = TokenNodes()
    real = Metadata(nodes, host_of(nodes, real_client_clocks=True))
    document = json.loads(real.ask(f"{CREDENTIALS}/web").payload)
    assert (document["LastUpdated"], document["Expiration"]) == ("2024-07-13T00:00:00Z", "2024-07-13T06:00:00Z")
    secret = real.node.stack.control_token
    pod = real.ask(eks_path("web-1"), authorization=authorization_token(secret, "web-1"))
    assert json.loads(pod.payload)["Expiration"] == "2024-07-13T06:00:00Z"


def test_the_session_is_named_after_the_instance(metadata: Metadata) -> None:
    """The host asks a token node of the machine's zone, for the machine's role and a session with the instance's id."""
    instance_id = metadata.ask("/web-2/latest/meta-data/instance-id").payload.decode()
    metadata.ask("/web-2/latest/meta-data/iam/security-credentials/web")
    ((node, wanted),) = metadata.nodes.asked
    assert node == "sydney.token.z2"
    assert (wanted.machine, wanted.role, wanted.session_name, wanted.service) == (
        "web-2",
        "web",
        instance_id,
        "ec2.amazonaws.com",
    )


@pytest.mark.parametrize("role", ["other", "web/more", "WEB"])
def test_another_role_s_document_is_not_found(metadata: Metadata, role: str) -> None:
    """404 in XHTML for any name but the role's own."""
    answer = metadata.ask(f"{CREDENTIALS}/{role}")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html")
    assert b"<h1>404 - Not Found</h1>" in answer.payload


def test_a_role_that_is_gone_is_a_document_with_a_code(metadata: Metadata) -> None:
    """200 with AssumeRoleUnauthorizedAccess and no credentials, which SDKs take for none."""
    metadata.nodes.refuses.add("web")
    answer = metadata.ask(f"{CREDENTIALS}/web")
    document = json.loads(answer.payload)
    assert (answer.status, document["Code"]) == (200, "AssumeRoleUnauthorizedAccess")
    assert document["Message"].startswith("EC2 cannot assume the role web.")
    assert "AccessKeyId" not in document


def test_a_cold_host_without_token_nodes_is_unavailable(metadata: Metadata) -> None:
    """503 in XHTML when nothing is cached and no token node answers."""
    metadata.nodes.failure = "refused"
    answer = metadata.ask(f"{CREDENTIALS}/web")
    assert answer.status == 503
    assert b"503 - Service Unavailable" in answer.payload


def test_cached_credentials_are_served_without_token_nodes_and_past_their_end(metadata: Metadata) -> None:
    """The same credentials come for as long as there are no others, the trail saying hit and then stale."""
    before = metadata.ask(f"{CREDENTIALS}/web")
    metadata.nodes.failure = "timeout"
    seen = []
    for passed_s in (LIFETIME_S / 4, LIFETIME_S / 2, LIFETIME_S * 1.1):
        metadata.nodes.now_s = EPOCH_S + passed_s
        metadata.refresh()
        answer = metadata.ask(f"{CREDENTIALS}/web")
        assert json.loads(answer.payload)["Token"] == json.loads(before.payload)["Token"]
        seen.append(parse(answer.headers["x-brownout-trail"])[0].cache)
    assert seen == ["hit", "stale", "stale"]


def test_the_versions_of_the_service_have_one_tree(metadata: Metadata) -> None:
    """Dated versions answer as `latest` does; a date that is none of them is 404."""
    texts = [
        metadata.ask(f"/web-1/{version}/meta-data/instance-id") for version in ("latest", "2009-04-04", "1.0", "2021-03-23")
    ]
    assert len({answer.payload for answer in texts}) == 1
    assert metadata.ask("/web-1/2021-03-24/meta-data/instance-id").status == 404


def machine_at(node: Node, path: str, host: str = "127.0.0.1:80") -> str:
    answer = asyncio.run(node.handle(Request("GET", path, {}, {"host": host})))
    return answer.payload.decode() if answer.status == 200 else str(answer.status)


def test_the_root_means_the_host_name_s_machine_or_the_default_one(metadata: Metadata) -> None:
    """Without an address in the path `NAME.localhost` names the machine, any other host name means the region's first."""
    node, tag = metadata.node, "meta-data/tags/instance/Name"
    assert machine_at(node, f"/latest/{tag}", "169.254.169.254") == "web-1"
    assert machine_at(node, f"/latest/{tag}", "web-3.localhost:8080") == "web-3"
    assert machine_at(node, f"/latest/{tag}", "none.localhost") == "404"
    assert machine_at(node, f"/none/latest/{tag}") == "404"


def test_a_machine_may_be_called_like_a_version(metadata: Metadata) -> None:
    """`/latest/latest/...` is the machine of that name; Azure's pages of it are Azure's."""
    assert machine_at(metadata.node, "/latest/latest/meta-data/tags/instance/Name") == "latest"
    azure = asyncio.run(
        metadata.node.handle(Request("GET", "/latest/metadata/instance", {"api-version": "2021-02-01"}, {"metadata": "true"}))
    )
    assert azure.body is not None
    assert azure.body["compute"]["name"] == "latest"


@pytest.mark.parametrize("path", ["/web-1/metadata/instance", "/metadata/identity/oauth2/token", "/web-1", "/"])
def test_what_is_not_of_aws_is_left_to_the_other_vendor(metadata: Metadata, path: str) -> None:
    """Those paths are answered by Azure's IMDS, in JSON."""
    answer = asyncio.run(metadata.node.handle(Request("GET", path)))
    assert answer.body is not None


def test_forced_answers_are_by_machine_and_kind_of_request(metadata: Metadata) -> None:
    """A hold on token requests of one machine leaves its other requests and other machines alone."""
    assert metadata.hold("f", status=403, request="token", machine="web-1").status == 200
    assert metadata.ask("/web-1/latest/api/token", "PUT", **{TTL: "60"}).status == 403
    assert metadata.ask(f"{CREDENTIALS}/").status == 200
    assert metadata.ask("/web-2/latest/api/token", "PUT", **{TTL: "60"}).status == 200


def test_forced_answers_have_the_body_the_text_or_the_page_of_their_status(metadata: Metadata) -> None:
    """JSON for a body, the text as it is, and XHTML for a bare status; `times` counts them down."""
    metadata.hold("a", status=200, request="credentials", body={"Code": "AssumeRoleUnauthorizedAccess"}, times=1)
    metadata.hold("b", status=200, request="credentials", text='{"Code" : "Succ', times=1)
    metadata.hold("c", status=429, request="credentials", retry_after_s=7, times=1)
    first, second, third, fourth = (metadata.ask(f"{CREDENTIALS}/web") for _ in range(4))
    assert json.loads(first.payload) == {"Code": "AssumeRoleUnauthorizedAccess"}
    assert second.payload == b'{"Code" : "Succ'
    assert (third.status, third.headers["retry-after"]) == (429, "7")
    assert b"<h1>429 - Too Many Requests</h1>" in third.payload
    assert fourth.status == 200


@pytest.mark.parametrize("value", [{"status": 200, "request": "tokens"}, {"status": 99}, {}])
def test_a_hold_that_no_answer_can_be_made_of_is_refused(metadata: Metadata, value: dict[str, object]) -> None:
    """400, and requests are answered as before."""
    assert metadata.hold("f", **value).status == 400
    assert metadata.ask("/web-1/latest/meta-data/").status == 200
