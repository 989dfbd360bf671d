"""Lives of faults in a world full of trouble, told line by line: what the files in tests/harness/injection/lives have.

A life is drawn by a seed, which names its file: faults of several kinds are injected, looked at, reverted and healed by their
owner and by another process, while reads, holds and releases fail, effects stay or never show, holds vanish, and others put
theirs in place. All time is the world's, so a life is the same each time.

`PYTHONPATH=tests python -m support.troubled_lives` writes the files anew. What changes then is what git shows, and each line of
it is to be right.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from brownout.harness.base.permission import require_permission
from brownout.harness.base.processes import ProcessId
from brownout.harness.effects import Effect
from brownout.harness.errors import CarrierGone, Defended, WorldError
from brownout.harness.fault import Fault, Observation
from brownout.harness.injection.lease import Lease
from brownout.harness.injection.ledger import Fenced, Ledger
from brownout.harness.injection.ledger_records import LEGAL, FaultRecord, State
from brownout.harness.injection.lifecycle import LifeCycle
from brownout.harness.injection.notices import Notice
from brownout.harness.injection.recovery import heal_leftovers, heal_stack, take_down
from brownout.harness.world import Carrier, StackSpec, World
from support.fake_world import FakeFault, FakeWorld, Holds, drive
from support.places import ROOT

APPROVED = ROOT / "tests/harness/injection/lives"
DEAD = ProcessId(1, "never")
LINK = str(FakeWorld.spec.links()[0])
CARRIERS = ("node:a", "node:b", "control:a", "control:c", f"link:{LINK}", "link:x->y")


class TroubledWorld(FakeWorld):
    """The fake world with calls that take time, and with more that can go wrong; `chance` says when something does."""

    def __init__(self, chance: Random, rate: float) -> None:
        super().__init__()
        self.rate, self.chance = rate, chance
        self.share = 0.0  # of calls that fail
        self.gone: set[str] = set()  # carriers that have ended
        self.dead: set[str] = set()
        self.lacking: dict[str, tuple[str, ...]] = {}
        self.foreign: dict[str, tuple[str, ...]] = {}
        self.look_s = 0.1
        self.meanwhile: dict[str, Callable[[], None]] = {}  # what happens beside the next call of a method

    def _begin(self, method: str, carrier: Carrier) -> None:
        self._now_s += 0.01 * self.rate
        if method in self.meanwhile:
            self.meanwhile.pop(method)()
        super()._begin(method, carrier)
        if str(carrier) in self.gone:
            raise CarrierGone(f"{carrier} has ended")
        if self.chance.random() < self.share:
            raise WorldError(f"no answer to {method} from {carrier}")

    async def hold(self, carrier: Carrier, fault_id: str, effect: Effect) -> Mapping[str, Any]:
        require_permission()
        return await super().hold(carrier, fault_id, effect)

    async def read(self, carrier: Carrier) -> Mapping[str, Any]:
        reading: dict[str, Any] = {**await super().read(carrier)}
        name = str(carrier)
        if name in self.dead:
            reading |= {"state": "dead", "exit": 137}
        if name in self.lacking:
            reading["lacking"] = self.lacking[name]
        if name in self.foreign:
            reading["foreign"] = self.foreign[name]
        return reading

    async def stop(self) -> None:
        if self.chance.random() < self.share:
            raise WorldError("it does not end")
        await super().stop()

    async def takes(self, seconds: float) -> None:
        await self.sleep_until(self.now() + seconds * self.rate)


class Seen(FakeFault):
    """A fault whose look takes time and may itself come to nothing."""

    kind = "seen"

    async def observe(self, world: World) -> Observation:
        assert isinstance(world, TroubledWorld)
        await world.takes(world.look_s)
        ended = [str(carrier) for carrier in self.carriers(world.spec) if str(carrier) in world.gone]
        if ended:
            raise CarrierGone(f"{ended[0]} has ended")
        if world.chance.random() < world.share:
            raise WorldError("no answer to a look")
        return await super().observe(world)


class Lasting(Seen):
    kind = "lasting"
    lasting = True


class Slow(Seen):
    """Its effect takes time to show and to go."""

    kind = "slow"

    def settles_s(self, spec: StackSpec) -> float:
        return 20.0


class Idle(Seen):
    """Nothing may be there to show its effect."""

    kind = "idle"

    async def observe(self, world: World) -> Observation:
        seen = await super().observe(world)
        return Observation(seen.state, seen.evidence, idle=seen.state != "bitten")


class Refused(Seen):
    """The system refuses it."""

    kind = "refused"

    async def apply(self, world: World, fault_id: str) -> None:
        await super().apply(world, fault_id)
        raise Defended("the gate is closed")


class Crashing(Seen):
    """Its own undo and its look after that have bugs."""

    kind = "crashing"

    async def revert(self, world: World, fault_id: str) -> None:
        raise RuntimeError("a bug in a revert")

    async def observe_undone(self, world: World) -> Observation:
        raise RuntimeError("a bug in a look")


class Same(Seen):
    """It asks for what is there already."""

    kind = "same"

    def unchanged(self, spec: StackSpec, before: Mapping[str, Mapping[str, Any]]) -> str:
        return f"as it was on {len(before)}"


KINDS: Mapping[str, type[FakeFault]] = {
    kind.kind: kind for kind in (FakeFault, Seen, Lasting, Slow, Idle, Refused, Crashing, Same)
}


def made(kind: str, params: Mapping[str, Any]) -> Fault:
    """Rebuilds a fault of another process. The code of one kind is gone."""
    if kind == "same":
        raise LookupError("no such kind any more")
    return KINDS[kind].model_validate(dict(params))


class Life:
    """One life. `lines` tell it."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance, self.folder = Random(seed), folder
        self.world = TroubledWorld(Random(seed + 1), self.chance.choice((1.0, 1.0, 30.0)))
        self.ledger = Ledger(":memory:", wall=self.world.now)
        is_owned = self.chance.random() < 0.7
        owner = DEAD if is_owned and self.chance.random() < 0.5 else None
        self.ledger.add_stack("s", folder=folder, world="file", run_owned=is_owned, owner=owner)
        if not is_owned:
            self.ledger.let_go("s")
        self.lines: list[str] = []
        self.holder = None if is_owned else self.chance.choice((DEAD, ProcessId.me()))
        self.count = 0
        self.refusal = ""
        self.life = self.owner()

    def owner(self) -> LifeCycle:
        """What the process has that owns the faults."""
        return LifeCycle(
            self.world,
            self.ledger,
            "s",
            self.notice,
            make=made,
            holder=self.holder,
            permission=self.permission,
            monotonic=self.world.now,
        )

    def permission(self) -> None:
        if self.refusal:
            raise Fenced(self.refusal)

    def notice(self, notice: Notice) -> None:
        self.say(f"  {notice.what} {notice.record.step}{_told(notice)}")

    def say(self, text: str) -> None:
        self.lines.append(f"{self.world.now():.3f} {text}".replace("\n", " "))

    def lived(self) -> list[str]:
        """The life to its end, by what is drawn."""
        try:
            self._lived()
        finally:
            self.ledger.close()
        return self.lines

    def _lived(self) -> None:
        acts: tuple[tuple[Callable[[], None], int], ...] = (
            (self.inject, 6), (self.time_passes, 8), (self.revert, 3), (self.revert_all, 1), (self.retry, 1),
            (self.trouble, 4), (self.calm, 2), (self.another_reverts, 1), (self.steals, 2), (self.kept, 1),
            (self.sweep, 2), (self.heals, 1), (self.meanwhile, 2), (self.lease, 1),
        )  # fmt: skip
        self.inject()
        for _ in range(16):
            self.chance.choices([act for act, _ in acts], [weight for _, weight in acts])[0]()
        if self.chance.random() < 0.5:
            self.calm()
        self.heals()
        for row in self.ledger.faults("s"):
            steps = [f"{state}@{at_s:.3f} {evidence}".strip() for state, at_s, evidence in self.ledger.transitions(row.id)]
            self.lines.append(f"row {row.id} until {row.deadline_s:.3f} epoch {row.epoch}: {'; '.join(steps)}")
        self.lines.append(f"held {sorted(f'{name} {sorted(ids)}' for name, ids in self.world.held().items())}")
        self.lines.append(f"lost {sorted(self.life.watch.lost)} undone by others {sorted(self.life.watch.undone_by_others)}")
        self.lines.append(f"nodes {sorted(self.life.watch.nodes_held())} next {self.life.watch.next_s():.3f}")

    def do(self, what: str, doing: Awaitable[Any]) -> None:
        """One act with what came of it, and how many calls of the world it took."""
        self.say(what)
        before = len(self.world.calls)
        try:
            came = _plain(drive(doing))  # type: ignore[arg-type]  # each is a coroutine
        except Exception as error:  # it is part of what is told
            came = f"{type(error).__name__}: {error}"
        self.say(f"= {came} ({len(self.world.calls) - before} calls)")

    # acts

    def inject(self) -> None:
        self.count += 1
        kind = self.chance.choice(tuple(KINDS.values()))
        fault = kind(on=tuple(self.chance.sample(CARRIERS, self.chance.choice((1, 1, 2, 3)))))
        until_s = self.chance.choice((None, *[self.world.now() + long_s * self.world.rate for long_s in (5, 60, 600)]))
        patience_s = self.chance.choice((0.0, 0.5, 8.0))
        name = f"{fault.kind}-{self.count}"
        self.do(
            f"inject {name} on {', '.join(fault.on)} until {until_s} patience {patience_s}",
            self.life.inject(name, fault, until_s=until_s, patience_s=patience_s),
        )

    def time_passes(self) -> None:
        until_s = self.world.now() + self.chance.choice((1, 10, 100)) * self.world.rate
        self.say(f"until {until_s:.3f}")
        while (next_s := min(until_s, self.life.watch.next_s())) < until_s:
            drive(self.world.sleep_until(next_s))
            drive(self.life.watch.look_due(before_s=until_s))
        drive(self.world.sleep_until(until_s))

    def revert(self) -> None:
        row = self._some()
        if row is not None:
            self.do(f"revert {row.step}", self.life.revert(row.id))

    def revert_all(self) -> None:
        self.do("revert all", self.life.revert_all())

    def retry(self) -> None:
        self.do("retry", self.life.retry_stuck())

    def sweep(self) -> None:
        self.do("sweep", self.life.sweep())

    def another_reverts(self) -> None:
        other = LifeCycle(
            self.world,
            self.ledger,
            "s",
            self.notice,
            make=made,
            look_first=self.chance.random() < 0.6,
            monotonic=self.world.now,
        )
        row = self._some()
        if row is not None:
            self.do(f"another process reverts {row.step}", other.revert(row.id))
            self.lines.append(f"  lost to it {sorted(other.watch.lost)}")

    def lease(self) -> None:
        """The owner's lease is renewed, or given back."""
        lease = Lease(self.folder, ttl_s=30.0, monotonic=self.world.now)
        how = self.chance.choice(("renewed", "released"))
        self.say(f"lease {how}")
        if how == "renewed":
            lease.renew()
        else:
            lease.release()

    def meanwhile(self) -> None:
        """Something happens in the middle of what comes next: another undoes it, the clock jumps, or the lease is lost."""
        method, how = self.chance.choice(("hold", "read", "release")), self.chance.choice(("undone", "fenced", "late", "lease"))
        self.say(f"meanwhile at a {method}: {how}")
        self.world.meanwhile[method] = {
            "undone": self._undone, "fenced": lambda: self.say(f"  epoch {self.ledger.take_over('s')}"),
            "late": self._late, "lease": self._lease_is_lost,
        }[how]  # fmt: skip

    def _undone(self) -> None:
        for row in self.ledger.open_faults("s")[-1:]:
            states: tuple[State, ...] = ("reverting", "reverted", "healed")
            for state in states:
                if state in LEGAL[self.ledger.fault(row.id).state]:
                    self.ledger.advance(row.id, state, evidence="by another")
            self.say(f"  another process undid {row.step}: {self.ledger.fault(row.id).state}")

    def _late(self) -> None:
        self.world._now_s += 2000 * self.world.rate

    def _lease_is_lost(self) -> None:
        self.refusal = "the lease is lost"

    def steals(self) -> None:
        """Something takes a hold away, or puts another in its place, or one of a closed fault comes late."""
        how = self.chance.choice(("taken", "changed", "changed", "late", "foreign"))
        row = self._some(closed=how == "late")
        if row is None:
            return
        carrier = str(self.chance.choice(row.carriers))
        holds: Holds = self.world.carriers.setdefault(carrier, {})
        self.say(f"{how} on {carrier} of {row.step}")
        if how == "taken":
            holds.pop(row.id, None)
        elif how == "foreign":
            holds["other-001-x"] = {"kind": "node", "state": "down"}
        else:
            holds[row.id] = {"changed": True}

    def kept(self) -> None:
        """A command leaves a fault in place by hand."""
        row = self._some()
        if row is not None:
            self.say(f"kept {row.step}")
            kept_s = self.world.now() + self.chance.choice((10, 1000))
            self.ledger.keep_until(row.id, kept_s, by_hand=self.chance.random() < 0.7)

    def trouble(self) -> None:
        world, carrier = self.world, self._carrier()
        what = self.chance.choice(("share", "deaf", "lingering", "stubborn", "gone", "ended", "lacking", "foreign", "slow"))
        self.say(f"trouble {what} {carrier}")
        match what:
            case "share":
                world.share = self.chance.choice((0.1, 0.5, 1.0))
            case "deaf" | "lingering" | "stubborn" | "gone":
                getattr(world, what).add(carrier)
            case "ended":
                world.dead.add(carrier)
                world.lingering.add(carrier)
            case "lacking":
                world.lacking[carrier] = ("is not down",)
            case "foreign":
                world.foreign[carrier] = ("a toxic of another",)
            case _:
                world.look_s = self.chance.choice((0.5, 2.0, 5.0))

    def calm(self) -> None:
        self.say("calm")
        world, self.refusal = self.world, ""
        world.meanwhile.clear()
        world.share, world.look_s = 0.0, 0.1
        for troubled in (world.deaf, world.lingering, world.stubborn, world.gone, world.dead, world.lacking, world.foreign):
            troubled.clear()

    def heals(self) -> None:
        """Another process heals what is left, as a command, a guardian or `down` does."""
        stack = self.ledger.stack("s")
        if stack.closed:
            return
        how = self.chance.choice(("leftovers", "leftovers late", "stack", "stack looked at", "some", "down"))
        match how:
            case "leftovers" | "leftovers late":
                grace_s = 600.0 if how == "leftovers" else -1.0
                healing: Awaitable[Any] = heal_leftovers(
                    self.ledger, self.attach, made, grace_s=grace_s, monotonic=self.world.now
                )
            case "stack" | "stack looked at":
                healing = heal_stack(
                    self.ledger,
                    stack,
                    self.attach,
                    made,
                    look_first=how != "stack",
                    note=lambda text: self.say(f"  note {text}"),
                )
            case "some":
                some = [row.id for row in self.ledger.open_faults("s")][::2]
                healing = heal_stack(
                    self.ledger, stack, self.attach, made, only=some, note=lambda text: self.say(f"  note {text}")
                )
            case _:
                healing = take_down(self.ledger, stack, self.attach, made, note=lambda text: self.say(f"  note {text}"))
        self.do(f"another process heals: {how}", healing)
        if not self.ledger.stack("s").closed and self.chance.random() < 0.9:
            self.life = self.owner()
            self.say("the owner begins anew")

    async def attach(self, stack: object) -> World:
        if self.chance.random() < 0.1:
            raise WorldError("the stack cannot be reached")
        return self.world

    def _carrier(self) -> str:
        """Most often one on which a fault is."""
        held = [str(carrier) for row in self.ledger.open_faults("s") for carrier in row.carriers]
        return self.chance.choice(held if held and self.chance.random() < 0.7 else CARRIERS)

    def _some(self, *, closed: bool = False) -> FaultRecord | None:
        rows = [row for row in self.ledger.faults("s") if not (closed and row.open)]
        return self.chance.choice(rows) if rows else None


def _told(notice: Notice) -> str:
    told = {each.name: getattr(notice, each.name) for each in fields(notice) if each.name not in ("record", "state")}
    return "".join(f" {name}={_plain(value)}" for name, value in told.items())


def _plain(value: Any) -> str:
    """A value in a line; numbers to the millisecond, and of rows the id only."""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, FaultRecord):
        return value.id
    if is_dataclass(value):
        return f"{type(value).__name__}({', '.join(f'{f.name}={_plain(getattr(value, f.name))}' for f in fields(value))})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{name}: {_plain(each)}' for name, each in value.items())}}}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def life(seed: int) -> list[str]:
    """The lines of the life that the seed draws."""
    with tempfile.TemporaryDirectory() as folder:
        one = Life(seed, Path(folder) / "stack")
        one.folder.mkdir()
        with patch("time.time", one.world.now):
            return one.lived()


def main() -> int:
    """Writes all files anew."""
    for path in sorted(APPROVED.glob("*.txt")):
        path.write_text("\n".join([*life(int(path.stem)), ""]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
