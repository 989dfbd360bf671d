"""The account on a region's nodes: durable, fenced, without secrets, and used without asking anyone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from brownout.harness.effects import NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.records.tables import Tables
from brownout.identity.core.messages import Request, Response, encode_json
from support.simulated_aws import STS_NODE, SimulatedAws, temporary


def shown(aws: SimulatedAws, node: str = STS_NODE) -> Any:
    body = aws.control(node, "GET", "/state").body
    assert body is not None
    return body["aws"]


def test_a_node_is_ready_once_it_has_the_account(aws: SimulatedAws) -> None:
    """Its health page says so."""
    healthy = Request("GET", "/_brownout/healthz")
    for name in aws.holders():
        answer = aws.world.run(aws.node(name).handle(healthy))
        assert (answer.body or {})["ready"]
    aws.node().annexes["aws"]._index = None  # type: ignore[attr-defined]  # as before the first publication
    assert not (aws.world.run(aws.node().handle(healthy)).body or {})["ready"]


def test_the_account_outlives_the_node(aws: SimulatedAws) -> None:
    """A node that is killed lets callers in again while nobody publishes."""
    for _ in range(2):
        aws.world.run(aws.world.hold(Carrier("node", STS_NODE), "kill", NodeEffect("down")))
        aws.world.run(aws.world.release(Carrier("node", STS_NODE), "kill"))
        assert aws.client("sts", aws.maker.key_of("caller")).get_caller_identity()["Account"] == aws.maker.account_id
    assert shown(aws)["account_version"] == aws.maker.version


def test_the_answer_tells_why_a_snapshot_was_refused(aws: SimulatedAws) -> None:
    """The directory learns whether it is stale, empty or a stranger; what is held stays, also on the disk."""
    current = aws.maker.account("sydney")
    cases = {
        "older": replace(current, version=0),
        "empty": replace(current, version=99, tables=Tables({})),
        "stranger": replace(current, version=99, lines=("line-2",)),
    }
    for reason, offered in cases.items():
        answer = aws.put_account(STS_NODE, offered.to_json()).body or {}
        assert (answer["taken"], answer["refused"], answer["version"]) == (False, reason, current.version)
        assert answer.get("stranger", False) == (reason == "stranger")
    assert aws.put_account(STS_NODE, {"version": "x"}).status == 400
    disk = aws.world._nodes[STS_NODE].disk
    assert disk["aws:account"]["version"] == current.version
    aws.client("sts", aws.maker.key_of("caller")).get_caller_identity()


def test_what_a_node_holds_can_be_asked_for(aws: SimulatedAws) -> None:
    """A directory that lost its disk learns from it."""
    held = aws.internal(STS_NODE, "GET", "/aws/account")
    assert (held.body or {})["version"] == aws.maker.version


def test_no_secret_is_in_any_regional_record(aws: SimulatedAws) -> None:
    """Neither the secrets of long-term keys nor keys for another region's scope are on a region's disk."""
    secrets = [aws.maker.key_of(user).secret_access_key for user in ("admin", "caller", "")]
    for name in aws.holders():
        text = encode_json(aws.world._nodes[name].disk).decode()
        assert "sealing-1" in text
        assert not any(secret in text for secret in secrets)
        other = "ap-southeast-4" if name.startswith("sydney") else "ap-southeast-2"
        assert f'"{other}"' not in text


def test_no_request_travels_to_another_node(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """STS answers from the region alone: authentication, authorization and sessions use no link at all."""
    calls: list[tuple[str, str]] = []
    monkeypatch.setattr(aws.world, "call", lambda source, target, request, **_: calls.append((source, target)))
    sts = aws.client("sts", aws.maker.key_of("caller"), "melbourne.token.z1")
    session = aws.client("sts", temporary(sts.get_session_token()), "melbourne.token.z1")
    session.assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")
    sts.get_federation_token(Name="bob")
    sts.get_caller_identity()
    assert [target for source, target in calls if source.startswith("melbourne.token")] == []


def test_uses_are_reported_in_batches(aws: SimulatedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and roles that were used are told to the directory a while later, once, and again if it did not take them."""
    sts = aws.client("sts", aws.maker.key_of("caller"))
    for _ in range(3):
        sts.get_caller_identity()
    made = sts.assume_role(RoleArn=aws.maker.role_arn("app"), RoleSessionName="job")
    aws.client("sts", temporary(made)).get_caller_identity()
    assert shown(aws)["unreported"] == 2
    aws.sleep(60)  # nobody takes reports on this directory
    assert shown(aws)["unreported"] == 2
    annex = aws.node().annexes["aws"]
    sent: list[Any] = []

    async def call(target: str, request: Request, *, timeout_s: float) -> Response:
        sent.append((target, request.path, request.body))
        return Response(200, {})

    monkeypatch.setattr(annex.node.ports, "call", call)  # type: ignore[attr-defined]  # of this annex
    aws.world.run(annex.report())  # type: ignore[attr-defined]  # of this annex
    ((target, path, body),) = sent
    assert (target, path) == ("sydney.directory", "/_brownout/aws/last-used")
    assert {use["subject"] for use in body["uses"]} == {aws.maker.key_of("caller").access_key_id, "role/app"}
    assert shown(aws)["unreported"] == 0
