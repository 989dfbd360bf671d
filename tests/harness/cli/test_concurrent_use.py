"""Several commands at once on one machine and on one stack: real ones, none of which loses or doubles anything."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from brownout.harness.injection.ledger import Ledger
from brownout.harness.worlds.processes.stack import read_process_stack
from support.brownout_command import PROGRAM, TIMEOUT_S, Brownout, probe_all, small

pytestmark = [pytest.mark.slow, pytest.mark.alone]

LINKS = ("client->sydney.host", "sydney.token->sydney.store")
REFUSED = 2


def at_once(brownout: Brownout, commands: Sequence[Sequence[str]]) -> list[tuple[int, str, str]]:
    """Starts them all before the first has ended; exit code, output and errors of each."""
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(
            [str(PROGRAM), *words], cwd=brownout.work, env=brownout.variables({}), stdout=pipe, stderr=pipe, text=True
        )
        for words in commands
    ]
    brownout.begun.extend(started)  # type: ignore[arg-type]  # waited for and never read
    told = [process.communicate(timeout=TIMEOUT_S) for process in started]
    return [(process.returncode, out, err) for process, (out, err) in zip(started, told, strict=True)]


def in_place(brownout: Brownout) -> list[dict[str, Any]]:
    told = brownout.run("status", "--json")
    assert told.returncode == 0, told.stderr
    (stack,) = json.loads(told.stdout)["stacks"]
    assert stack["foreign"] == []
    found: list[dict[str, Any]] = stack["faults"]
    return found


def transitions(brownout: Brownout) -> dict[str, list[str]]:
    """The states of each fault that the ledger ever had, in order."""
    with Ledger(brownout.home / "ledger.sqlite") as ledger:
        (stack,) = ledger.stacks()
        return {row.id: [state for state, _, _ in ledger.transitions(row.id)] for row in ledger.faults(stack.id)}


def test_ten_injects_and_ten_heals_at_once_lose_and_double_nothing(gameday: Brownout) -> None:
    """Five slow each of two links: all ten are in place, and each is healed once, by whichever of the heals."""
    slow = [
        ["inject", "link-slow", "--target", LINKS[number % 2], "--with", f"latency={30 + number}ms"] for number in range(10)
    ]
    injected = at_once(gameday, [[*words, "--keep", "--json"] for words in slow])
    # 3: a link that another command had just made slow looked so before, and proves no bite
    assert {code for code, _, _ in injected} <= {0, 3}, [err for _, _, err in injected]
    found = in_place(gameday)
    ids = sorted(fault["id"] for fault in found)
    assert ids == sorted(json.loads(out)["fault_id"] for _, out, _ in injected)
    assert len({*ids}) == 10
    assert all(fault["now"]["state"] in ("bites", "held") for fault in found), found
    told = at_once(gameday, [["heal"] if number % 2 else ["heal", ids[number]] for number in range(10)])
    # 3: a look in the middle of another command's change of the same link takes a fault for lost before
    assert {code for code, _, _ in told} <= {0, 3}, "\n".join(f"{code}: {out}{err}" for code, out, err in told if code > 3)
    assert in_place(gameday) == []
    for fault, states in transitions(gameday).items():
        assert states.count("healed") == 1, (fault, states)
        assert "stuck" not in states
    assert {probe.outcome for probe in asyncio.run(probe_all(gameday.world())).values()} == {"ok"}


def test_ten_faults_of_different_nodes_at_once_are_all_in_place(gameday: Brownout) -> None:
    """Each bites; ten heals of one fault each take that one and no other."""
    nodes = [f"{region}.token.z{zone}" for region in ("sydney", "melbourne") for zone in (1, 2, 3)]
    nodes += ["sydney.vault", "melbourne.vault", "sydney.host", "melbourne.host"]
    commands = [["inject", "clock-skew", "--target", node, "--with", "by=20m", "--json"] for node in nodes]
    told = at_once(gameday, commands)
    assert [code for code, _, _ in told] == [0] * 10, [err for code, _, err in told if code]
    ids = [json.loads(out)["fault_id"] for _, out, _ in told]
    assert len({*ids}) == 10
    assert {fault["id"] for fault in in_place(gameday)} == {*ids}
    eleventh = gameday.run("inject", "link-refuse", "--target", LINKS[0])
    assert eleventh.returncode == REFUSED
    assert "with this one 11 faults are in place at once" in eleventh.stderr
    assert {fault["id"] for fault in in_place(gameday)} == {*ids}, "what was refused is not there, and the others are"
    healed = at_once(gameday, [["heal", one] for one in ids])
    assert [code for code, _, _ in healed] == [0] * 10, [err for code, _, err in healed if code]
    assert in_place(gameday) == []
    assert all(transitions(gameday)[one].count("healed") == 1 for one in ids)


def test_runs_at_once_have_their_own_stacks_and_keep_their_hands_off_each_other(brownout: Brownout) -> None:
    """Two runs in one state folder: no port in common, each with its verdict; neither stack is anybody's to break by hand."""
    timeline = {"fault": "00:01:12", "recovery": "00:01:17", "end": "00:01:20"}
    cut = {"name": "cut", "at": "00:01:12", "until": "00:01:17", "role": "fault", "fault": "link-refuse"}
    files = [
        small(brownout.work, name=name, timeline=timeline, schedule=[{**cut, "with": {"link": LINKS[0]}}])
        for name in ("one", "two")
    ]
    started = [brownout.start("run", str(path), "--out", path.stem, "--no-canaries") for path in files]
    started[-1].wait_for("baseline")
    stacks = brownout.stacks()
    assert len(stacks) == 2
    ports = [{*read_process_stack(stack.folder).ports.values()} for stack in stacks]
    assert all(ports)
    assert ports[0].isdisjoint(ports[1])
    for stack in stacks:
        told = brownout.run("inject", "link-refuse", "--target", LINKS[1], "--stack", stack.id)
        assert told.returncode == REFUSED
        assert "a run is using it" in told.stderr
    assert [one.end() for one in started] == [1, 1]
    for path in files:
        (folder,) = (brownout.work / path.stem).iterdir()
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        failed = [gate for gate in result["gates"] if not gate["passed"]]
        assert (result["verdict"], failed) == ("breach", [])
    assert brownout.processes() == {}
