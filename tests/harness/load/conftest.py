"""Stub services and plans for the load's tests. Stubs are processes, so that pausing and killing one is real."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from brownout.harness.load.arrivals import Cohort, LoadPlan
from support.places import SUPPORT

EPOCH_S = 1_721_000_000.0


class Stub:
    """A running stub service."""

    def __init__(self, mode: str) -> None:
        script = SUPPORT / "load_stub.py"
        self.process = subprocess.Popen([sys.executable, str(script), mode], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def stub() -> Iterator[Callable[[str], Stub]]:
    """Starts stubs by mode; all are gone when the module's tests are done."""
    started: list[Stub] = []

    def start(mode: str) -> Stub:
        started.append(Stub(mode))
        return started[-1]

    yield start
    for one in started:
        one.kill()


def make_plan(
    urls: dict[str, str],
    *,
    lead_s: float = 0.0,
    length_s: float,
    rates: Mapping[str, float] = {},
    deadline_ms: int = 600,
) -> LoadPlan:
    """One cohort of token requests per region of `urls`, at 40/s or what `rates` says, starting `lead_s` from now.

    Locust takes some seconds to start on a busy machine. A test that needs true times gives that as lead; any other gives
    no lead and a long deadline, so that what is late is sent all the same.
    """
    return LoadPlan(
        seed=7,
        start_s=EPOCH_S + lead_s,
        end_s=EPOCH_S + lead_s + length_s,
        cohorts=tuple(
            Cohort(name=f"{region}-cohort", model="token", region=region, rate_per_s=rates.get(region, 40), machines=("vm1",))
            for region in urls
        ),
        deadline_ms=deadline_ms,
        urls={f"client->{region}.host": url for region, url in urls.items()},
        clock={"epoch_s": EPOCH_S, "monotonic_s": time.monotonic(), "rate": 1.0},
    )


@pytest.fixture(scope="module")
def plan_of() -> Callable[..., LoadPlan]:
    return make_plan
