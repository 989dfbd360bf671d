"""The crash matrix sampled on containers: the same runs and loads, struck in the world `compose`.

A stack of containers has no parent process. Its links live in Toxiproxy's container, its black holes in the firewall's. A load
by hand is the compose file's profile `load`, which no command of ours keeps: it ends with its stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.crash_episodes import Ground, Victim, kill_process
from benchmarks.crash_figures import EpisodeFigures, EpisodeSettings, measure, rows
from benchmarks.report import Benchmark, Row
from benchmarks.stands import Home
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.worlds.compose.engine import DockerEngine, EngineError
from brownout.harness.worlds.compose.layout import FIREWALL, TOXIPROXY, service_of
from brownout.harness.worlds.compose.renewal import LOAD_SERVICES
from brownout.harness.worlds.compose.stack import RECORD_NAME, read_compose_stack

NODE = service_of("sydney.token.z1")
SERVICES = {
    "toxiproxy": TOXIPROXY,
    "firewall": FIREWALL,
    "node": NODE,
    "load master": LOAD_SERVICES[0],
    "load worker": LOAD_SERVICES[1],
}


def _is_up(stack: StackRecord) -> bool:
    return (stack.folder / RECORD_NAME).exists() and {NODE, TOXIPROXY, FIREWALL} <= _containers(stack.id).keys()


def _find(stack: StackRecord, _: int) -> Mapping[str, Victim]:
    there = _containers(stack.id)
    return {victim: there[service] for victim, service in SERVICES.items() if service in there}


def _containers(stack: str) -> dict[str, str]:
    """Ids of the stack's running containers by service; one of each."""
    engine = DockerEngine()
    try:
        return {service: one.id for service, one in engine.containers.of_stack(stack).items() if one.running}
    finally:
        engine.close()


def _kill(victim: Victim) -> None:
    """Kills a process of the machine, or what runs in a container."""
    if isinstance(victim, int):
        kill_process(victim)
        return
    engine = DockerEngine()
    try:
        engine.containers.kill(victim)
    except EngineError:
        seen = engine.containers.look(victim)
        if seen is not None and seen.running:
            raise  # else it has ended by now
    finally:
        engine.close()


def _start_load(_: Home, stack: StackRecord) -> None:
    compose = read_compose_stack(stack.folder).compose()
    options = ("--detach", "--no-deps", "--no-build", "--no-recreate", "--quiet-pull")
    compose.run("up", *options, "--scale", "load-worker=2", *LOAD_SERVICES)


GROUND = Ground(
    world="compose",
    parts=("toxiproxy", "firewall", "node", "locust"),
    loads=("load master", "load worker"),
    aim=60,
    patience_s=300.0,  # an engine is slower than processes are
    bound_s=60.0,
    warm_up="00:00:00",  # on a busy machine all nodes take longer than a run expects
    late_s=(0.0, 0.2),
    up_look_s=0.25,
    is_up=_is_up,
    find=_find,
    kill=_kill,
    start_load=_start_load,
)


def _rows(figures: EpisodeFigures) -> tuple[Row, ...]:
    return rows(figures, GROUND)


BENCHMARK = Benchmark(
    name="crash_compose",
    title="The same in containers",
    about="Runs of one fault each on a stack of containers, and loads in containers beside a fault by hand, struck by SIGKILL "
    "or SIGSTOP at a step that a seed draws. Its parts are Toxiproxy's container, the firewall's, a node's and those of the "
    "load; a stack of containers has no parent process.",
    figures=EpisodeFigures,
    measure=partial(measure, GROUND),
    rows=_rows,
    full=EpisodeSettings(kills=14),
    tiny=EpisodeSettings(kills=1),
    long=EpisodeSettings(kills=GROUND.aim),
)
