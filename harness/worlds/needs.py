"""What the stack of a live world and its load need of the machine, from the topology and the plan.

The figures are upper bounds that are easy to reason about, for a service that lets every client wait for its whole deadline,
because that is what faults do. Then `in_flight` arrivals (their rate in real seconds times the deadline) are open at once:

- the generator has a socket for each, and keeps those of one front end while it opens others (`GENERATOR_BASE` beside);
- Toxiproxy has a listener for each link, and two sockets for each connection of each of the `HOPS` links that a request
  goes over;
- a node has a socket for each request that waits for an answer and one for the call that it makes for it;
- the stack's parent holds one reserved port for each node, link and door of the edge.

The limit of open files is one per process, so the largest of these counts. A connection needs an ephemeral port of its own
towards one address; a port that was just closed on loopback is used again after a second (`tcp_tw_reuse`).
"""

from __future__ import annotations

from pathlib import Path

from brownout.harness.base.resources import limits
from brownout.harness.base.resources.limits import Need
from brownout.harness.load.arrivals import LoadPlan, planned_count
from brownout.harness.worlds.catalog import PROCESSES
from brownout.harness.worlds.vendor_packages import require_vendors
from brownout.identity.core.topology import StackSpec

HOPS = 4  # client, host, token service, store or director
COMMAND_FILES = 128  # the command: ledger, logs, one control call per node
GENERATOR_BASE, PROXY_BASE, NODE_BASE, PARENT_BASE = 64, 32, 48, 32
NODE_BYTES, STACK_BYTES, WORKER_BYTES = 12 << 20, 128 << 20, 160 << 20
REUSE_S = 1.0
LOAD_AT_ONCE = 100  # in flight of a load by hand at its default rate, which a stack must be able to carry
RUN_AT_ONCE = 250  # in flight of the bundled replay
PORTS_BASE = 256
REQUEST_BYTES = 1024  # a line of the request log, which is there once
FOLDER_BYTES = 20 << 20  # the ledger, logs, and the record besides requests


def together(one: Need, other: Need) -> Need:
    """What both need at the same time. Processes share no limit of open files, but all of them have the same one."""
    return Need(
        max(one.open_files, other.open_files),
        one.processes + other.processes,
        one.memory_bytes + other.memory_bytes,
        max(one.ports, other.ports) + PORTS_BASE,
    )


def in_flight(plan: LoadPlan, rate: float, *, held_s: float = 0.0) -> int:
    """Arrivals open at once where each waits for its deadline, and for `held_s` more. `rate` is that of the stack's clock."""
    per_s = sum(cohort.rate_per_s for cohort in plan.cohorts) * rate
    return round(per_s * (plan.deadline_ms / 1000 + held_s))


def stack_needs(world: str, stack: StackSpec, open_at_once: int) -> Need:
    """What bringing the stack up needs, and carrying so many requests. Containers have limits of their own."""
    if world != PROCESSES:
        return Need(COMMAND_FILES)
    nodes, links, doors = len(stack.nodes()), len(stack.links()), len(stack.doors())
    open_files = max(
        COMMAND_FILES,
        PARENT_BASE + nodes + links + doors,
        PROXY_BASE + links + 2 * HOPS * open_at_once,
        NODE_BASE + 2 * open_at_once,
    )
    ports = PORTS_BASE + HOPS * open_at_once
    return Need(open_files, processes=2 * nodes + 16, memory_bytes=STACK_BYTES + nodes * NODE_BYTES, ports=ports)


def generator_needs(plan: LoadPlan, rate: float, workers: int = 1) -> Need:
    """What the processes need that send the plan's requests; one may have to send them all, where others are lost."""
    front_ends = max((len(cohort.front_ends) or 1 for cohort in plan.cohorts), default=1)
    processes = workers + (workers > 1)  # a master beside several workers
    return Need(
        max(COMMAND_FILES, GENERATOR_BASE + front_ends * in_flight(plan, rate)),
        processes=4 * processes,
        memory_bytes=processes * WORKER_BYTES,
        ports=PORTS_BASE + in_flight(plan, rate, held_s=REUSE_S),
    )


def require_for_stack(world: str, stack: StackSpec, *, state: Path) -> None:
    """Raises WorldError when the machine lacks what a stack needs, UsageError for packages; may raise a soft limit."""
    require_vendors(stack)
    limits.require(stack_needs(world, stack, LOAD_AT_ONCE))
    limits.require_room(state, FOLDER_BYTES, "the stack")


def require_for_run(world: str, stack: StackSpec, load: LoadPlan, *, rate: float, folder: Path, state: Path) -> None:
    """Raises WorldError when the machine lacks what a run needs, before anything is started; may raise a soft limit."""
    sent_here = generator_needs(load, rate) if world == PROCESSES else Need(COMMAND_FILES)
    limits.require(together(stack_needs(world, stack, in_flight(load, rate)), sent_here))
    arrivals = sum(planned_count(load, cohort) for cohort in load.cohorts)
    limits.require_room(folder, FOLDER_BYTES + arrivals * REQUEST_BYTES, "the record of the run")
    limits.require_room(state, FOLDER_BYTES, "the stack")
