"""`python -m brownout.harness.operate.loads.load_master [SPEC_FOLDER [ARGUMENT ...]]`: the master of a load in containers.

It waits for the stack's clock, makes the plan of a load by hand for the stack that the specification describes, and
becomes Locust's master. Workers need nothing but its address: it sends them the plan.

    BROWNOUT_LOAD_FOLDER   where its files go
    BROWNOUT_LOAD_RATE     requests per second, 50 when not given

Calls to the management plane need a user's token, which can be requested only from the machine, outside of the containers. If
`brownout up` has put one beside the specification (`sign-in.json`), those cohorts are part of the load. Otherwise they are left
out, and the log says so.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from pydantic import TypeAdapter

from brownout.harness.base.files import OWNER_ONLY, replace_whole
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.experiment.watch import model_watch
from brownout.harness.load.arrivals import LoadPlan, plan_json
from brownout.harness.load.driver import clear, find_locustfile
from brownout.harness.load.models.model import SignIn
from brownout.harness.load.models.registry import client_model
from brownout.harness.operate.loads.load_plan import ManualLoad, at_rates, manual_plan, typical_load
from brownout.harness.worlds.compose.layout import SPEC_FOLDER
from brownout.identity.core.topology import CLIENT, Link
from brownout.identity.server.shared_spec import GO_NAME, SIGN_IN_NAME, read_stack, resolved
from brownout.identity.server.spec_file import ServedStack

LOOK_INTERVAL_S = 0.1
WEB_PORT, MASTER_PORT = 8089, 5557
SEED = 1
SIGN_IN = TypeAdapter(SignIn)


def make_plan(served: ServedStack, *, per_s: float, sign_in: SignIn) -> LoadPlan:
    """The plan, with URLs that work inside of the client network; raises BrownoutError."""
    load = typical_load(served.stack)
    able = tuple(cohort for cohort in load.cohorts if client_model(cohort.model).can_sign_in(sign_in))
    clock = served.clock.to_record()
    cohorts = at_rates(able, clock_rate=clock["rate"], total_per_s=per_s, scale=None, given={})
    named = {str(Link(CLIENT, node)) for node in served.stack.nodes()}
    urls = {link: f"http://{address}" for link, address in served.links.items() if link in named}
    return manual_plan(
        ManualLoad(cohorts, model_watch(cohorts), load.deadline_ms),
        served.stack,
        urls=urls,
        clock=clock,
        now_s=served.clock.now(),
        sign_in=sign_in,
        seed=SEED,
    )


def locust_arguments() -> list[str]:
    """How the master is started; raises WorldError when there is no Locust file."""
    return [
        *("-m", "locust", "-f", str(find_locustfile()), "--master", "--autostart", "--expect-workers", "1"),
        *("--users", "1", "--spawn-rate", "1", "--only-summary"),
        *("--web-host", "0.0.0.0", "--web-port", str(WEB_PORT), "--master-bind-port", str(MASTER_PORT)),  # noqa: S104  # its own network
    ]


def main(arguments: list[str]) -> None:
    """Replaces this process by Locust; raises SystemExit when that fails."""
    spec = Path(arguments[0]) if arguments else Path(SPEC_FOLDER)
    while not (spec / GO_NAME).exists():
        time.sleep(LOOK_INTERVAL_S)
    served = resolved(read_stack(spec))
    shared = spec / SIGN_IN_NAME
    sign_in = SIGN_IN.validate_json(shared.read_bytes()) if shared.exists() else SignIn()
    if not shared.exists():
        _say(f"no {shared}: this load has no clients that sign in")
    folder = Path(os.environ["BROWNOUT_LOAD_FOLDER"])
    clear(folder)
    try:
        plan = make_plan(served, per_s=float(os.environ.get("BROWNOUT_LOAD_RATE", "50")), sign_in=sign_in)
    except (BrownoutError, ValueError) as wrong:
        _say(f"no plan: {wrong}")
        sys.exit(UsageError.exit_code)
    path = Path(tempfile.mkdtemp()) / "load-plan.json"
    replace_whole(path, json.dumps(plan_json(plan)), durable=False, mode=OWNER_ONLY)  # for this very process, as Locust
    own = {"BROWNOUT_LOAD_PLAN": str(path), "BROWNOUT_LOAD_TOKEN": served.stack.control_token}
    os.execve(sys.executable, [sys.executable, *locust_arguments(), *arguments[1:]], {**os.environ, **own})  # noqa: S606  # no shell wanted


def _say(text: str) -> None:
    sys.stderr.write(f"brownout load: {text}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
