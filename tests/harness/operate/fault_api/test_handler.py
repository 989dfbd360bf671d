"""The fault API of a standing stack: who may use it, what it answers, and that the ledger knows all that it does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from brownout.harness.base.halt import halt, lift
from brownout.harness.base.statedir import ledger_path, state_dir
from brownout.harness.injection.ledger import Ledger
from brownout.harness.operate.fault_api.handler import Api
from brownout.harness.operate.heal import heal_by_hand
from support.fault_requests import FAKE, TOKEN, ask, fakes_installed, told
from support.stand_ins import Stand

URL = "http://127.0.0.1:4000"


@pytest.fixture
def guarded(stand: Callable[[str], Stand]) -> Iterator[Stand]:
    """A standing stack that is a file, where the stand-ins' faults are installed."""
    with fakes_installed():
        yield stand("up-1")


@pytest.fixture
def standing(guarded: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """The same without a guardian, whose process takes longer to start than all that these tests do."""
    monkeypatch.setattr("brownout.harness.operate.inject.ensure_guardian", lambda row, path: None)
    return guarded


@pytest.fixture
def api(standing: Stand) -> Api:
    return Api(standing.row(), TOKEN, URL)


async def settled(api: Api, name: str) -> dict[str, Any]:
    """What a client that polls sees in the end."""
    while (seen := told(await ask(api, "GET", f"/faults/{name}")))["state"] in ("pending", "intended", "applied"):  # noqa: ASYNC110  # it polls
        await asyncio.sleep(0.01)
    return seen


def other(*on: str) -> dict[str, Any]:
    return {"fault": "fake", "parameters": {"on": list(on)}}


def test_a_fault_is_put_shown_renewed_and_undone(standing: Stand, api: Api) -> None:
    """It is answered once it bites, is in the ledger under its name, gets a new lease when it is put again, and heals."""

    async def work() -> None:
        put = await ask(api, "PUT", "/faults/cut", {**FAKE, "lease_ttl_s": 20})
        first = told(put)
        assert (put.status, first["name"], first["state"]) == (201, "cut", "bitten")
        assert put.headers["location"] == f"/faults/{first['id']}"
        assert first["bite_ms"] is not None
        assert 15 < first["lease_left_s"] <= 20
        assert standing.held() == {"node:a": {first["id"]}, "link:x->y": {first["id"]}}
        again = await ask(api, "PUT", "/faults/cut", {**FAKE, "lease_ttl_s": 500})
        assert (again.status, told(again)["id"]) == (200, first["id"])
        assert 490 < told(again)["lease_left_s"] <= 500
        listed = told(await ask(api, "GET", "/faults"))
        assert [each["id"] for each in listed["faults"]] == [first["id"]]
        healed = told(await ask(api, "DELETE", "/faults/cut"))
        assert (healed["state"], healed["lease_left_s"], healed["lost"]) == ("healed", None, None)
        assert healed["heal_ms"] is not None
        assert standing.held() == {}
        assert told(await ask(api, "DELETE", f"/faults/{first['id']}"))["state"] == "healed", "a delete may run twice"
        assert told(await ask(api, "GET", "/faults"))["faults"] == []
        assert told(await ask(api, "GET", "/faults/cut"))["state"] == "healed", "one that has ended is still told"

    asyncio.run(work())
    (row,) = standing.faults()
    assert (row.step, row.by_hand, row.state) == ("cut", True, "healed")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": "Bearer \xff"}, 401),
        ({"host": "evil.example:4000"}, 403),
        ({"host": ""}, 403),
        ({"origin": "http://127.0.0.1:4000"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_who_may_not_use_it(standing: Stand, api: Api, headers: dict[str, str], status: int) -> None:
    """Without the token, from a browser's page, or as a form can send it, nothing is put in place."""
    answer = asyncio.run(ask(api, "PUT", "/faults/cut", FAKE, **headers))
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert standing.faults() == ()
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert asyncio.run(ask(api, "GET", "/nowhere", **headers)).status == 401, "nor is told what there is"


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/faults/cut", b"{", "JSON"),
        ("/faults/cut", b"[]", "JSON object"),
        ("/faults/cut", None, "no payload"),
        ("/faults/cut", {"fault": "fak", "parameters": {}}, "no fault 'fak'"),
        ("/faults/cut", {"fault": "./code.py"}, "no fault"),
        ("/faults/cut", {**FAKE, "lease": 3}, "lease_ttl_s"),
        ("/faults/cut", {**FAKE, "lease_ttl_s": 0.5}, "lease_ttl_s"),
        ("/faults/cut", {**FAKE, "lease_ttl_s": 3601}, "lease_ttl_s"),
        ("/faults/cut", {**FAKE, "lease_ttl_s": "60"}, "number"),
        ("/faults/cut", {**FAKE, "target": "node:a"}, "takes no target"),
        ("/faults/cut?wait=perhaps", FAKE, "true or false"),
        ("/faults/up-1-007-cut", FAKE, "name"),
        ("/faults/%2e%2e", FAKE, "name"),
        ("/faults/" + "x" * 65, FAKE, "name"),
    ],
)
def test_a_wrong_order_touches_nothing(standing: Stand, api: Api, path: str, body: Any, word: str) -> None:
    """It is answered with what is wrong and what to do."""
    answer = asyncio.run(ask(api, "PUT", path, body))
    found = told(answer)
    assert (answer.status, found["status"], found["exit_code"]) == (400, 400, 2)
    assert word in f"{found['detail']} {found.get('hint', '')}"
    assert standing.faults() == ()


def test_paths_and_methods_that_there_are_not(api: Api) -> None:
    """404 names what there is, 405 what the path takes; a fault that never was is 404."""
    assert "/faults" in told(asyncio.run(ask(api, "GET", "/fault")))["hint"]
    answer = asyncio.run(ask(api, "POST", "/faults"))
    assert (answer.status, answer.headers["allow"]) == (405, "GET, DELETE")
    for method in ("GET", "DELETE"):
        missing = asyncio.run(ask(api, method, "/faults/nothing"))
        assert (missing.status, told(missing)["type"]) == (404, "urn:brownout:problem:no-such-fault")


def test_a_name_means_one_fault(standing: Stand, api: Api) -> None:
    """Another fault under a name that is taken is refused, and the first stays as it is; its id means the same fault."""

    async def work() -> None:
        first = told(await ask(api, "PUT", "/faults/cut", FAKE))
        taken = await ask(api, "PUT", "/faults/cut", other("node:b"))
        assert (taken.status, "DELETE" in told(taken)["hint"]) == (409, True)
        assert (await ask(api, "PUT", f"/faults/{first['id']}", FAKE)).status == 200
        assert told(await ask(api, "GET", "/faults/cut"))["state"] == "bitten"

    asyncio.run(work())
    assert list(standing.held()) == ["node:a", "link:x->y"]


def test_one_that_does_not_bite_is_undone(standing: Stand, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """409 says what was seen, and `keep` leaves it in place all the same, unproven."""
    monkeypatch.setattr("support.fake_world.FakeWorld.shows_effect", lambda self, carrier: False)
    answer = asyncio.run(ask(api, "PUT", "/faults/cut", FAKE))
    found = told(answer)
    assert (answer.status, found["type"], found["kind"]) == (409, "urn:brownout:problem:not-proven", "fake")
    assert "effects [False, False]" in found["detail"]
    assert standing.held() == {}
    failed = told(asyncio.run(ask(api, "GET", "/faults/cut")))
    assert (failed["state"], failed["problem"]["type"]) == ("failed", "urn:brownout:problem:not-proven")
    kept = asyncio.run(ask(api, "PUT", "/faults/kept", {**FAKE, "keep": True}))
    assert (kept.status, told(kept)["state"], told(kept)["bite_ms"]) == (201, "applied", None)


def test_an_answer_at_once_is_followed_by_polling(standing: Stand, api: Api) -> None:
    """202 says `pending`, then GET says that it bites; of one that cannot be put in place it says why."""

    async def work() -> None:
        begun = await ask(api, "PUT", "/faults/cut?wait=false", FAKE)
        assert (begun.status, told(begun)["state"], begun.headers["location"]) == (202, "pending", "/faults/cut")
        assert (await settled(api, "cut"))["state"] == "bitten"
        assert (await ask(api, "PUT", "/faults/cut?wait=false", other("node:b"))).status == 202
        await asyncio.sleep(0.2)
        assert told(await ask(api, "GET", "/faults/cut"))["state"] == "bitten", "what is in place is told first"
        assert (await ask(api, "PUT", "/faults/odd?wait=false", other("nowhere"))).status == 202
        failed = await settled(api, "odd")
        assert (failed["state"], bool(failed["problem"]["detail"])) == ("failed", True)

    asyncio.run(work())


def test_a_halt_refuses_faults_and_undoes_nothing_less(standing: Stand, api: Api) -> None:
    """While everything is halted nothing is put in place or renewed (423), and what is in place can be undone."""
    asyncio.run(ask(api, "PUT", "/faults/cut", FAKE))
    halt(state_dir(), "enough")
    for name, order in (("cut", FAKE), ("other", other("node:b"))):
        answer = asyncio.run(ask(api, "PUT", f"/faults/{name}", order))
        assert (answer.status, "--lift" in told(answer)["hint"]) == (423, True)
    assert told(asyncio.run(ask(api, "DELETE", "/faults/cut")))["state"] == "healed"
    lift(state_dir())
    assert asyncio.run(ask(api, "PUT", "/faults/cut", FAKE)).status == 201


def test_many_at_once_neither_lose_nor_double(standing: Stand, api: Api) -> None:
    """Of many equal orders one puts the fault in place; orders of other names do not wait; one delete of all undoes all."""
    room = {"at_once": {"faults": 20}}

    async def work() -> None:
        calls = [ask(api, "PUT", "/faults/same", {**FAKE, **room}) for _ in range(8)]
        calls += [ask(api, "PUT", f"/faults/n{number}", {**other(f"node:{number}"), **room}) for number in range(8)]
        statuses = sorted(answer.status for answer in await asyncio.gather(*calls))
        assert statuses == [200] * 7 + [201] * 9
        assert len(told(await ask(api, "GET", "/faults"))["faults"]) == 9
        deleted = await asyncio.gather(*(ask(api, "DELETE", "/faults/same") for _ in range(4)), ask(api, "DELETE", "/faults"))
        assert [answer.status for answer in deleted] == [200] * 5
        assert {each["state"] for each in told(deleted[-1])["faults"]} <= {"healed"}

    asyncio.run(work())
    assert standing.held() == {}
    assert standing.states() == ["healed"] * 9


def test_too_much_at_once_is_refused(standing: Stand, api: Api) -> None:
    """As by hand: the order that is too much is refused and names what allows it."""

    async def work() -> None:
        for number in range(9):
            answer = await ask(api, "PUT", f"/faults/n{number}", {**other(f"link:{number}->y"), "at_once": {"faults": 8}})
        assert (answer.status, "faults=9" in told(answer)["hint"]) == (400, True)

    asyncio.run(work())
    assert len(standing.held()) == 8


def test_a_delete_ends_the_wait_for_a_bite(standing: Stand, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is answered as withdrawn, and nothing is in place."""
    monkeypatch.setattr("support.fake_world.FakeWorld.shows_effect", lambda self, carrier: False)

    async def slow(self: Any, at_s: float) -> None:
        await asyncio.sleep(0.05)

    monkeypatch.setattr("support.fake_world.FakeWorld.sleep_until", slow)

    async def work() -> None:
        putting = asyncio.ensure_future(ask(api, "PUT", "/faults/cut", FAKE))
        while not standing.held():  # noqa: ASYNC110  # what another process sees has no event
            await asyncio.sleep(0.01)
        deleted, put = await asyncio.gather(ask(api, "DELETE", "/faults/cut"), putting)
        assert (put.status, told(put)["type"]) == (409, "urn:brownout:problem:withdrawn")
        assert (deleted.status, told(deleted)["state"]) == (200, "healed")

    asyncio.run(work())
    assert standing.held() == {}


def test_what_the_command_line_does_is_seen(standing: Stand, api: Api) -> None:
    """A fault that `brownout heal` undid is told as healed, and can be put anew."""
    first = told(asyncio.run(ask(api, "PUT", "/faults/cut", FAKE)))
    heal_by_hand()
    assert told(asyncio.run(ask(api, "GET", "/faults/cut")))["state"] == "healed"
    again = asyncio.run(ask(api, "PUT", "/faults/cut", FAKE))
    assert (again.status, told(again)["id"] != first["id"]) == (201, True)


def test_a_fault_that_was_lost_is_told(standing: Stand, api: Api) -> None:
    """Where another program took the hold away, the delete says so."""
    first = told(asyncio.run(ask(api, "PUT", "/faults/cut", FAKE)))
    standing.world()._change(lambda carriers: carriers["node:a"].pop(first["id"]))
    healed = told(asyncio.run(ask(api, "DELETE", "/faults/cut")))
    assert (healed["state"], "node:a" in healed["lost"]) == ("healed", True)


@pytest.mark.slow
def test_a_client_that_vanished_leaves_nothing_behind(guarded: Stand) -> None:
    """Its fault is undone by the stack's guardian when the lease ends, without a command."""
    standing, api = guarded, Api(guarded.row(), TOKEN, URL)
    asyncio.run(ask(api, "PUT", "/faults/cut", {**FAKE, "lease_ttl_s": 1}))
    until_s = time.monotonic() + 20
    while standing.states() != ["healed"] and time.monotonic() < until_s:
        time.sleep(0.05)
    assert standing.states() == ["healed"]
    assert standing.held() == {}
    with Ledger(ledger_path()) as ledger:
        assert ledger.open_faults("up-1") == ()
