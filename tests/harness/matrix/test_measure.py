"""The matrix as the simulation measures it: what each event takes away, and that nothing is told that was not measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.matrix.calls import CALLS
from brownout.harness.matrix.events import NOTHING, FaultCall, MatrixEvent, matrix_events
from brownout.harness.matrix.holdings import Holdings, client_region
from brownout.harness.matrix.measure import MatrixMeasurement
from brownout.harness.matrix.options import MatrixOptions
from brownout.harness.matrix.run import EPOCH_S, STACK, measure
from brownout.harness.record.matrix import Matrix, MatrixRow
from brownout.harness.world import Carrier
from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.simulation.world import SimulationWorld
from brownout.identity.aws.records.seed import account_of
from brownout.reports.matrix import MatrixPage
from support.places import ROOT

HOME, AWAY = "sydney", "melbourne"
EVENTS = {event.name: event for event in matrix_events(HOME, AWAY)}
CONTROL_PLANE = {"create-user", "get-role", "put-role-policy", "list-users", "key-last-used"}
TOKEN_NODES = {
    *("caller-identity-key", "caller-identity-session", "caller-identity-instance", "assume-role", "sign-in"),
    *("assume-role-web-identity", "assume-role-saml", "federation-token", "session-token", "instance-metadata-new"),
}
ALL = {call.name for call in CALLS}
BY_GLOBAL_NAME = {"caller-identity-global"}
NEW_ROLE = {"assume-role-new"}  # made since the event began
PAGE = "docs/aws-matrix.md"

FAILS = {
    NOTHING: (set(), set()),
    "cut": (CONTROL_PLANE | BY_GLOBAL_NAME | NEW_ROLE, set()),
    "cut-to-home": (CONTROL_PLANE | BY_GLOBAL_NAME, set()),
    "cut-from-home": (CONTROL_PLANE | BY_GLOBAL_NAME | NEW_ROLE, set()),
    "control-plane-down": (CONTROL_PLANE | NEW_ROLE, CONTROL_PLANE | NEW_ROLE | {"sign-in"}),
    "home-down": (CONTROL_PLANE | BY_GLOBAL_NAME | NEW_ROLE, ALL),
    "sts-down": (TOKEN_NODES | NEW_ROLE, set()),
    "replication-paused": (NEW_ROLE, set()),
    "no-global-sts": (BY_GLOBAL_NAME, BY_GLOBAL_NAME),
    "no-iam-name": (CONTROL_PLANE | NEW_ROLE, CONTROL_PLANE | NEW_ROLE),
}


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return measure(MatrixOptions())


def test_every_event_was_in_force_and_every_call_was_made(matrix: Matrix) -> None:
    """No cell is missing: each call from each region during each event."""
    assert matrix.whole
    assert [row.event for row in matrix.rows] == list(EVENTS)
    for row in matrix.rows:
        assert [(cell.region, cell.call) for cell in row.cells] == [(at, call.name) for at in (AWAY, HOME) for call in CALLS]


@pytest.mark.parametrize("event", FAILS)
def test_an_event_takes_away_what_depends_on_it_and_nothing_else(matrix: Matrix, event: str) -> None:
    """Clients away from home and at home, each by their own region's endpoints."""
    (row,) = (row for row in matrix.rows if row.event == event)
    for region, expected in zip((AWAY, HOME), FAILS[event], strict=True):
        assert {cell.call for cell in row.cells if cell.region == region and cell.outcome != "works"} == expected


@pytest.mark.parametrize(("event", "took_effect"), [("cut", False), ("cut-to-home", False), ("cut-from-home", True)])
def test_a_write_whose_answer_is_lost_has_happened(matrix: Matrix, event: str, took_effect: bool) -> None:
    """The client is told of an outage in each cut. Only where requests pass is the user there afterwards."""
    cell = matrix.cell(event, "create-user", AWAY)
    assert cell is not None
    assert (cell.status, cell.error, cell.attempts, cell.took_effect) == (503, "ServiceUnavailable", 5, took_effect)


def test_what_works_works_at_once_and_in_the_client_s_region(matrix: Matrix) -> None:
    """In a cut, what does not need the control plane is served by the client's own region alone, at the first attempt."""
    (row,) = (row for row in matrix.rows if row.event == "cut")
    for cell in row.cells:
        if cell.outcome == "works":
            assert (cell.status, cell.error, cell.attempts) == (200, "", 1)
            assert {node.partition(".")[0] for node in cell.served_by} == {cell.region}


def test_a_name_that_does_not_exist_is_no_answer_of_the_service(matrix: Matrix) -> None:
    """The edge's own words become what an SDK meets: it cannot connect, and tries again."""
    cell = matrix.cell("no-iam-name", "list-users", HOME)
    assert cell is not None
    assert (cell.outcome, cell.status, cell.error, cell.attempts, cell.served_by) == ("unreachable", 0, "nxdomain", 5, ())


def test_one_seed_gives_one_matrix(matrix: Matrix) -> None:
    """A part measured by itself finds the same answers; the whole is what the docs have."""
    again = measure(MatrixOptions(events=("control-plane-down",), clients=(AWAY,)))
    (row,) = again.rows
    (whole,) = (row for row in matrix.rows if row.event == "control-plane-down")
    expected = [cell for cell in whole.cells if cell.region == AWAY]
    assert [(cell.call, cell.status, cell.error, cell.attempts) for cell in row.cells] == [
        (cell.call, cell.status, cell.error, cell.attempts) for cell in expected
    ]


def test_the_page_is_not_stale(matrix: Matrix) -> None:
    """docs/aws-matrix.md has what the command writes now."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    assert MatrixPage(text).with_matrix(matrix) == text, f"run `brownout matrix --page {PAGE}`"


@dataclass
class Bench:
    """A measurement on a simulated stack, with its world and ledger at hand."""

    world: SimulationWorld
    ledger: Ledger
    measurement: MatrixMeasurement

    def rows(self, *events: MatrixEvent) -> tuple[MatrixRow, ...]:
        return self.world.run(self.measurement.rows(events))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    world = SimulationWorld(MatrixOptions().stack(), epoch_s=EPOCH_S)
    with Ledger(":memory:") as ledger:
        ledger.add_stack(STACK, folder=tmp_path, world="simulation", run_owned=True)
        life = LifeCycle(world, ledger, STACK, lambda notice: None, monotonic=world.now)
        world.run(world.start())
        keys = world.run(sign_in(world)).access_keys
        home, away = (client_region(world.spec, region, account_of(world.spec)) for region in (HOME, AWAY))
        yield Bench(world, ledger, MatrixMeasurement(world, life, Holdings(world, keys), home, (away,), attempts=2))
    world.kernel.close()


def test_every_fault_is_in_the_ledger_and_healed(bench: Bench) -> None:
    """Each went through the whole life cycle, and no carrier holds anything afterwards."""
    bench.rows(EVENTS["cut"], EVENTS["replication-paused"])
    faults = bench.ledger.faults(STACK)
    assert [fault.state for fault in faults] == ["healed"] * 4
    for fault in faults:
        assert "bitten" in [state for state, _, _ in bench.ledger.transitions(fault.id)]
        for carrier in fault.carriers:
            assert bench.world.run(bench.world.read(Carrier(carrier.kind, carrier.name)))["holds"] == {}


def test_an_event_that_does_not_bite_has_no_cells(bench: Bench) -> None:
    """Of two faults that look alike the second proves nothing, so the whole event is not told of, and both are reverted."""
    killed = FaultCall("node-kill", {"node": f"{AWAY}.vault"})
    (row,) = bench.rows(MatrixEvent("twice", "one node is down for two reasons", (killed, killed)))
    assert (row.in_force, row.cells) == (False, ())
    assert "looked the same before" in row.evidence[1]
    assert not bench.ledger.open_faults(STACK)


def test_an_event_that_ends_too_early_has_no_cells(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that is undone by others while clients call was not in force: what they met is not told as its effect."""
    killed = MatrixEvent("killed", "one node is down", (FaultCall("node-kill", {"node": f"{AWAY}.vault"}),))
    made = MatrixMeasurement._cells

    async def meanwhile(self: MatrixMeasurement, *args: object, **named: object) -> object:
        cells = await made(self, *args, **named)  # type: ignore[arg-type]  # whatever it was called with
        for fault in bench.ledger.open_faults(STACK):  # none while the stack is only seen to be well
            await bench.world.release(Carrier("node", f"{AWAY}.vault"), fault.id)
        return cells

    monkeypatch.setattr(MatrixMeasurement, "_cells", meanwhile)
    (row,) = bench.rows(killed)
    assert (row.in_force, row.cells) == (False, ())


def test_a_matrix_that_is_stopped_tells_the_rows_it_has(bench: Bench) -> None:
    """Events that have not begun are left out."""
    bench.measurement.stopped = True
    assert bench.rows(EVENTS["cut"]) == ()
