"""The looks of a run at its stack's own state: when they come, whom they ask, and what is told of what was withdrawn."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, TypeVar, cast

import pytest

from brownout.harness.errors import WorldError
from brownout.harness.run.journal import Journal
from brownout.harness.run.state_watch import LOOK_GAP_S, LOOKS, StateWatch
from brownout.harness.world import Request, World, states_asked
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.messages import Response
from support.fake_world import drive

T = TypeVar("T")
DIRECTORY, STORE, TOKEN, VAULT = "sydney.directory", "sydney.store", "sydney.token.z1", "sydney.vault"
ARN = "arn:aws:iam::1:role/app"


class Stack:
    """A world whose nodes answer what `pages` has, by node and path, each in `took_s`; what is not there does not answer."""

    def __init__(self, rate: float = 1.0) -> None:
        self.rate, self.spec = rate, build_stack(seed=1, vendors=("aws", "azure"))
        self.pages: dict[tuple[str, str], dict[str, Any]] = {
            (DIRECTORY, "/admin/deletions"): {"deleted": {}},
            (DIRECTORY, "/admin/aws/principals"): {"roles": {}, "users": {}, "access_keys": {}},
            (DIRECTORY, "/admin/state"): {"version": 7, "aws": {"published": {"sydney": 3}}},
            (STORE, "/admin/state"): {"keys": [{"key_id": "old", "valid": False}, {"key_id": "new", "valid": True}]},
            (TOKEN, "/admin/state"): {"replica_version": 6, "published_keys": {"k": 4.0}, "aws": {"account_version": 2}},
            (VAULT, "/admin/state"): {"replica_version": 5, "key_ids": ["k", "l"]},
        }
        self.asked: list[str] = []
        self.now_s, self.took_s = 1000.0, 0.0

    def now(self) -> float:
        return self.now_s

    async def together(self, calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        return [await call for call in calls]

    async def states(self, nodes: Iterable[str]) -> list[Mapping[str, Any] | None]:
        return await states_asked(self, nodes)

    async def control(self, node: str, request: Request) -> Response:
        self.asked.append(node)
        self.now_s += self.took_s
        page = self.pages.get((node, request.path))
        if page is None:
            raise WorldError(f"{node} does not answer")
        return Response(200, page)


class Told:
    """The events of a journal."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []

    def event(self, kind: str, what: str, subject: str = "", detail: Mapping[str, Any] | None = None) -> None:
        assert kind == "look"
        self.events.append((what, detail or {}))

    @property
    def last(self) -> Mapping[str, Any]:
        what, detail = self.events[-1]
        assert what == "state"
        return detail


class Bench:
    """A watch over such a stack. `away` are the nodes that faults hold."""

    def __init__(self, rate: float = 1.0) -> None:
        self.stack, self.told, self.away = Stack(rate), Told(), frozenset[str]()
        self.watch = StateWatch(cast(World, self.stack), cast(Journal, self.told), lambda: self.away)

    def look(self) -> Mapping[str, Any]:
        drive(self.watch.look())
        return self.told.last

    def identity_is_deleted(self, *subjects: str) -> None:
        self.stack.pages[DIRECTORY, "/admin/deletions"]["deleted"] = dict.fromkeys(subjects, "app-id")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_run_begins_with_its_promises_and_a_look(bench: Bench) -> None:
    """The promises are those of the stack's settings and clock."""
    drive(bench.watch.begin(2000.0))
    (first, promises), (second, _) = bench.told.events
    assert (first, second) == ("promises", "state")
    assert promises["tenant_id"] == bench.stack.spec.tenant_id
    assert promises["account_id"].isdigit()
    assert promises["clock_rate"] == 1.0
    assert promises["publish_interval_s"] > 0


def test_a_look_tells_what_each_node_holds_and_which_keys_it_goes_by(bench: Bench) -> None:
    """Versions by node, keys that a store refuses, that a token node publishes, and that a vault accepts."""
    seen = bench.look()
    assert seen["sent"] == {"replica": 7, "account:sydney": 3}
    assert seen["held"] == {TOKEN: {"replica": 6, "account": 2}, VAULT: {"replica": 5}}
    assert seen["refused_keys"] == {STORE: ["old"]}
    assert seen["published_keys"] == {TOKEN: {"k": 4.0}}
    assert seen["accepted_keys"] == {VAULT: ["k", "l"]}
    assert seen["began_s"] == 1000.0


def test_a_node_that_a_fault_holds_is_not_asked(bench: Bench) -> None:
    """It would not answer; a directory that is held is left out whole."""
    bench.away = frozenset({TOKEN, DIRECTORY})
    seen = bench.look()
    assert not {TOKEN, DIRECTORY} & set(bench.stack.asked)
    assert "sent" not in seen
    assert seen["held"] == {VAULT: {"replica": 5}}


@pytest.mark.parametrize("path", ["/admin/deletions", "/admin/aws/principals", "/admin/state"])
def test_a_directory_that_answers_in_part_is_left_out_whole(bench: Bench, path: str) -> None:
    """What was withdrawn without the version that says so, or the other way round, would prove something false."""
    del bench.stack.pages[DIRECTORY, path]
    assert not {"sent", "withdrawn", "returned"} & set(bench.look())


def test_the_directory_is_asked_for_its_versions_after_what_it_has_withdrawn(bench: Bench) -> None:
    """Else a version could be older than the withdrawal that it is to contain."""
    order: list[str] = []
    answer = bench.stack.control

    async def noted(node: str, request: Request) -> Response:
        order.append(request.path)
        return await answer(node, request)

    bench.stack.control = noted  # type: ignore[method-assign]  # seen on its way
    bench.look()
    assert order[:3] == ["/admin/deletions", "/admin/aws/principals", "/admin/state"]


def test_what_is_withdrawn_is_told_once_and_so_is_its_return(bench: Bench) -> None:
    """An identity that is deleted, and one that is there again."""
    bench.identity_is_deleted("s-1")
    assert bench.look()["withdrawn"] == {"identity:s-1": "app-id"}
    again = bench.look()
    assert (again["withdrawn"], again["returned"]) == ({}, [])
    bench.identity_is_deleted("s-2")
    after = bench.look()
    assert (after["withdrawn"], after["returned"]) == ({"identity:s-2": "app-id"}, ["identity:s-1"])


def test_a_principal_of_aws_is_withdrawn_once_it_was_seen_and_is_gone(bench: Bench) -> None:
    """A role that was never there is no withdrawal; an access key that is made inactive is one."""
    principals = bench.stack.pages[DIRECTORY, "/admin/aws/principals"]
    principals |= {"roles": {"r": ARN}, "users": {"u": "user"}, "access_keys": {"AKIA": True, "OFF": False}}
    assert bench.look()["withdrawn"] == {"access-key:OFF": "OFF"}
    principals |= {"roles": {}, "users": {}, "access_keys": {"AKIA": False, "OFF": True}}
    after = bench.look()
    assert after["withdrawn"] == {"role:r": ARN, "user:u": "user", "access-key:AKIA": "AKIA"}
    assert after["returned"] == ["access-key:OFF"]


@pytest.mark.parametrize(("rate", "end_s", "every_s"), [(1.0, 1000.0 + 24 * 60, 60.0), (100.0, 1024.0, 200.0)])
def test_looks_are_spread_over_the_run(rate: float, end_s: float, every_s: float) -> None:
    """A bounded number of them, and never closer in network time than the gap."""
    bench = Bench(rate)
    assert bench.watch.next_s() == float("inf")
    drive(bench.watch.begin(end_s))
    assert bench.watch.next_s() - bench.stack.now() == every_s
    assert every_s == max((end_s - 1000.0) / LOOKS, LOOK_GAP_S * rate)


def test_a_change_makes_a_look_due_at_once(bench: Bench) -> None:
    """Before `begin` it does not: the nodes are not up yet."""
    bench.watch.changed()
    assert bench.watch.next_s() == float("inf")
    drive(bench.watch.begin(2000.0))
    bench.watch.changed()
    assert bench.watch.next_s() == bench.stack.now()


def test_a_look_that_would_end_too_late_waits_until_then(bench: Bench) -> None:
    """It goes by how long the last one took, and a quarter more."""
    bench.stack.took_s = 1.0
    drive(bench.watch.begin(5000.0))
    took_s = bench.stack.now() - 1000.0
    bench.watch.changed()
    count, now_s = len(bench.told.events), bench.stack.now()
    drive(bench.watch.look_due(now_s + 1.2 * took_s))
    assert (len(bench.told.events), bench.watch.next_s()) == (count, now_s + 1.2 * took_s)
    bench.watch.changed()
    drive(bench.watch.look_due(now_s + 1.3 * took_s))
    assert len(bench.told.events) == count + 1


def test_no_look_is_taken_before_it_is_due(bench: Bench) -> None:
    """`look_due` may be called at any time."""
    drive(bench.watch.begin(5000.0))
    count = len(bench.told.events)
    drive(bench.watch.look_due(float("inf")))
    assert len(bench.told.events) == count


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_page_that_is_refused_is_left_out(bench: Bench, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Whatever its body says: an error's is of another kind."""
    answer = bench.stack.control

    async def refusing(node: str, request: Request) -> Response:
        found = await answer(node, request)
        return Response(status, found.body) if node in (TOKEN, DIRECTORY) else found

    monkeypatch.setattr(bench.stack, "control", refusing)
    seen = bench.look()
    assert "sent" not in seen
    assert seen["held"] == {VAULT: {"replica": 5}}
    assert seen["published_keys"] == {}


def test_a_stack_of_azure_alone_has_no_account_and_its_directory_no_principals(bench: Bench) -> None:
    """Its look asks for no page of AWS's, and its promises have no account."""
    bench.stack.spec = build_stack(seed=1, vendors=("azure",))
    del bench.stack.pages[DIRECTORY, "/admin/aws/principals"]
    bench.stack.pages[DIRECTORY, "/admin/state"] = {"version": 7}
    bench.identity_is_deleted("s-1")
    drive(bench.watch.begin(2000.0))
    (_, promises), (_, seen) = bench.told.events
    assert promises["account_id"] == ""
    assert (seen["sent"], seen["withdrawn"]) == ({"replica": 7}, {"identity:s-1": "app-id"})
