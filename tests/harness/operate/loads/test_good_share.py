"""The good share of a stack's clients: from a load's log, or from probes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brownout.harness.operate.loads.good_share import GoodShare, Probes, load_share
from brownout.harness.record.history import RequestRecord, to_line
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import CallFailed, Request, Response
from support.client_scripts import token_answer

NOW_S = 5000.0


class Answering:
    """A world whose clients get what `answers` says by node, and CallFailed from any other."""

    rate = 1.0
    spec = build_stack(seed=1)

    def __init__(self, answers: Mapping[str, Response] | None = None) -> None:
        self.answers = answers or {}
        self.sent: list[tuple[str, Request]] = []

    def now(self) -> float:
        return NOW_S

    async def client(self, node: str, request: Request, *, timeout_s: float) -> Response:
        self.sent.append((node, request))
        if node not in self.answers:
            raise CallFailed("timeout", node)
        return self.answers[node]

    async def control(self, node: str, request: Request) -> Response:
        return Response(200, {"access_token": "operator"})


def record(number: int, *, done_s: float = NOW_S - 1, outcome: Any = "happened", region: str = "sydney", **more: Any) -> str:
    status = 200 if outcome == "happened" else more.pop("status", 500)
    return to_line(
        RequestRecord(
            id=f"r-{number}", cohort="new", operation="token", region=region, home=region, machine="m", intended_s=done_s,
            sent_s=done_s, done_s=done_s, latency_ms=5, status=status, outcome=outcome, **more,
        )
    )  # fmt: skip


def test_the_loads_last_seconds_are_its_share(tmp_path: Path) -> None:
    """Older requests do not count, nor does a line that is torn or still being written."""
    lines = [record(n) for n in range(7)] + [record(n, done_s=NOW_S - 60, outcome="refused") for n in range(5)]
    (tmp_path / "requests-1.jsonl").write_text("".join(lines) + "{torn\n" + record(99)[:-1])
    bad = record(8, outcome="refused", region="melbourne", error="unknown")
    (tmp_path / "requests-2.jsonl").write_text(bad)
    assert load_share(tmp_path, Answering()) == (GoodShare("new", "token", 8, 7, "melbourne: 500 unknown"),)  # type: ignore[arg-type]


def test_without_a_log_there_is_no_share_of_a_load(tmp_path: Path) -> None:
    """The share is empty for a stack without a load, and for one whose load ended before the window."""
    assert load_share(tmp_path / "load", Answering()) == ()  # type: ignore[arg-type]
    (tmp_path / "requests.jsonl").write_text(record(1, done_s=NOW_S - 3600))
    assert load_share(tmp_path, Answering()) == ()  # type: ignore[arg-type]


TOKEN = token_answer()


def test_probes_stand_in_for_a_load() -> None:
    """One round sends two token requests, a secret and a list in every region; failures are counted and reported."""
    world = Answering(
        {
            "sydney.host": TOKEN,
            "melbourne.host": TOKEN,
            "sydney.vault": Response(200, {"value": "s"}),
            "sydney.management": Response(503),
        }
    )
    shares = asyncio.run(Probes().share("s", world))  # type: ignore[arg-type]
    assert {(one.cohort, one.operation): (one.good, one.requests) for one in shares} == {
        ("application", "secret"): (1, 2),
        ("established", "token"): (2, 2),
        ("new", "token"): (2, 2),
        ("operator", "list"): (0, 2),
    }
    problems = {one.operation: one.problem for one in shares}
    assert problems["secret"] == "melbourne: timeout"
    assert problems["list"].startswith("melbourne, sydney: ")


def test_every_round_asks_for_a_machine_that_never_was(tmp_path: Path) -> None:
    """Each round uses a new machine of the scale set, so that no cache has its token."""
    world, probes = Answering({"sydney.host": TOKEN, "melbourne.host": TOKEN}), Probes()
    for _ in range(2):
        asyncio.run(probes.share("s", world))  # type: ignore[arg-type]
    asked = [request.path for node, request in world.sent if "scaleout_" in request.path]
    assert len(set(asked)) == len(asked) == 2


def test_probes_are_remembered_for_the_window() -> None:
    """The share covers the rounds of the last ten seconds, and no older ones."""
    now_s = [0.0]
    probes = Probes(monotonic=lambda: now_s[0])
    for at_s, requests in ((0.0, 2), (6.0, 4), (12.0, 4)):
        now_s[0] = at_s
        shares = asyncio.run(probes.share("s", Answering()))  # type: ignore[arg-type]
        assert {one.requests for one in shares} == {requests}
