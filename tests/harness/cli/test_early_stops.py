"""A real run ends early where its system is broken before the fault, and leaves nothing behind."""

from __future__ import annotations

import json
import time

import pytest

from support.brownout_command import Brownout, small

pytestmark = pytest.mark.slow

# Five minutes at the clock's own rate: a run that were not stopped would take that long.
LONG = {"fault": "00:06:00", "recovery": "00:06:30", "end": "00:07:00"}
CUT = {"name": "cut", "at": "00:06:00", "until": "00:06:30", "role": "fault", "fault": "link-refuse"}
BROKEN = {"name": "broken", "at": "00:01:05", "role": "operation", "fault": "node-kill", "with": {"node": "sydney.host"}}


@pytest.mark.parametrize("rule", ["sequential test", "hard stop"])
def test_a_broken_baseline_ends_a_real_run(brownout: Brownout, rule: str) -> None:
    """A node was killed by an operator's step in the baseline: the run is over in a minute, inconclusive, with all reverted."""
    schedule = [BROKEN, {**CUT, "with": {"link": "client->sydney.host"}}]
    stop = {"phases": []} if rule == "sequential test" else {"baseline": False}
    path = small(brownout.work, timeline=LONG, schedule=schedule, stop=stop)
    began_s = time.monotonic()
    told = brownout.run("run", str(path), "--out", "runs", "--no-canaries", "--json")
    assert told.returncode == 3, told.stderr
    assert time.monotonic() - began_s < 100
    result = json.loads(told.stdout)
    assert (result["verdict"], result["finished"]) == ("inconclusive", False)
    (reason,) = [gate["reason"] for gate in result["gates"] if gate["name"] == "finished"]
    said = "by the sequential test the system is worse" if rule == "sequential test" else "with no fault in place"
    assert reason.startswith("the run was stopped at baseline: tokens: ")
    assert said in reason
    states = {step["name"]: step["state"] for step in result["steps"]}
    assert states == {"broken": "healed", "cut": "not-reached"}
    assert brownout.open_faults() == []
    assert brownout.processes() == {}
