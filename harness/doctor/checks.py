"""Looks for problems that would spoil a run on this machine, and prints what to do about them. Changes nothing.

Each check is a function of its own that returns one Check; a check that itself fails is a finding, never a crash.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from brownout.harness.base import hints
from brownout.harness.base.entry_points import imported, installed
from brownout.harness.base.halt import read_halt
from brownout.harness.base.ports import FIRST_PORT, LAST_PORT, NoPortError, free_ports
from brownout.harness.base.resources import limits
from brownout.harness.base.resources.worker_pool import usable_cores
from brownout.harness.base.statedir import ledger_path, state_dir
from brownout.harness.doctor.docker import docker_checks
from brownout.harness.doctor.findings import Check
from brownout.harness.errors import BrownoutError, StackGone, UsageError, WorldError
from brownout.harness.experiment import plugins
from brownout.harness.injection.ledger import Ledger
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.injection.recovery import unowned_faults, world_of
from brownout.harness.injection.standing import anything_stands, stray_holds, unknown_stacks
from brownout.harness.load.driver import CANARY_MODULES, LOAD_MODULES
from brownout.harness.worlds.catalog import COMPOSE, PROCESSES
from brownout.harness.worlds.needs import RUN_AT_ONCE, stack_needs
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.toxiproxy.client import Toxiproxy, start_server, stop_server
from brownout.harness.worlds.toxiproxy.install import HOW_BUILT, find_toxiproxy_server
from brownout.harness.worlds.vendor_packages import EXTRA_MODULES, installed_vendors

OLDEST_PYTHON = (3, 11)
PORTS_OF_A_STACK = 120  # nodes, links, Toxiproxy and the load's web page
FREE_DISK_MB = 500
FREE_CORES = 1.0
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")

_PLUGIN_GROUPS = ("brownout.clients", "brownout.worlds", "brownout.claims")

Leftovers = Callable[[], tuple[tuple[str, ...], tuple[str, ...]]]  # what is left over; what is in force on purpose


def checks(*, leftovers: Leftovers | None = None, world: str = "") -> tuple[Check, ...]:
    """All findings, in the order in which a run would meet them; `leftovers` replaces the query of the ledger.

    What only one world needs counts as a problem only for that `world`.
    """
    found = leftovers or ledger_leftovers
    every: Mapping[str, Callable[[], Check]] = {
        "Python": check_python,
        "state folder": check_state_folder,
        "Toxiproxy": check_toxiproxy,
        "ports": check_ports,
        "limits": check_limits,
        "processor": check_processor,
        "halt": check_halt,
        "leftovers": lambda: check_leftovers(found),
        "load and canaries": check_load_packages,
        "vendors": check_vendors,
        "plug-ins": check_plugins,
        "proxy variables": lambda: check_proxy_variables(os.environ),
    }
    return (*(_guarded(name, check) for name, check in every.items()), *docker_checks(required=world == COMPOSE))


def render(found: tuple[Check, ...]) -> str:
    """The findings as lines of text, each trouble followed by what to do."""
    width = max((len(check.name) for check in found), default=0)
    lines: list[str] = []
    for check in found:
        lines.append(f"{'ok ' if check.ok else 'BAD'}  {check.name:<{width}}  {check.detail}")
        if check.fix:
            lines.append(f"     {'':<{width}}  -> {check.fix}")
    bad = sum(not check.ok for check in found)
    lines.append("everything is in order" if bad == 0 else f"{bad} of {len(found)} need attention")
    return "\n".join(lines)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except BrownoutError as failed:
        return Check(name, False, failed.message, failed.hint)
    except OSError as failed:
        return Check(name, False, str(failed))


def check_python() -> Check:
    """The version that runs this."""
    version = platform.python_version()
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Check("Python", True, f"{version} ({sys.executable})")
    return Check("Python", False, version, "install Python 3.11 or newer, and Brownout for it")


def check_state_folder() -> Check:
    """Whether the ledger can be written, and whether the disk has room for a run."""
    folder = state_dir()
    with tempfile.NamedTemporaryFile(dir=folder) as probe:
        probe.write(b"written")
        probe.flush()
        os.fsync(probe.fileno())
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    detail = f"{folder} is writable, {free_mb / 1000:.1f} GB free"
    if free_mb >= FREE_DISK_MB:
        return Check("state folder", True, detail)
    return Check("state folder", False, detail, f"free {FREE_DISK_MB} MB, or point BROWNOUT_HOME to another disk")


def check_toxiproxy() -> Check:
    """Whether the server is installed, starts and answers."""
    words: list[str] = []
    program = find_toxiproxy_server(say=words.append)
    if program is None:
        return Check("Toxiproxy", False, "; ".join(["not found", *words]), HOW_BUILT)
    with tempfile.TemporaryDirectory(prefix="brownout-doctor-") as folder:
        server = start_server(program, port=free_ports(1)[0], log=Path(folder) / "toxiproxy.log")
        try:
            version = Toxiproxy(server.api_url).version()
        finally:
            stop_server(server)
    return Check("Toxiproxy", True, f"{version} starts and answers ({program})")


def check_ports() -> Check:
    """Whether a stack finds enough loopback ports in its range."""
    name = f"{FIRST_PORT}-{LAST_PORT} on loopback"
    try:
        free_ports(PORTS_OF_A_STACK)
    except NoPortError as failed:
        return Check("ports", False, str(failed), "`brownout down`, or end what holds the ports")
    return Check("ports", True, f"{name}: {PORTS_OF_A_STACK} can be bound")


def check_limits() -> Check:
    """Whether the kernel lets a stack and a typical load have the files, processes, memory and ephemeral ports they need."""
    need = stack_needs(PROCESSES, build_stack(seed=1, vendors=installed_vendors()), RUN_AT_ONCE)
    found = limits.shortages(need)
    if found:
        return Check("limits", False, "; ".join(short.text for short in found), "; ".join(short.fix for short in found))
    ports = limits.ephemeral_ports()
    told = "" if ports is None else f", {ports:,} ephemeral ports"
    return Check("limits", True, f"{limits.open_files_max()} open files in a process{told}; a run needs {need.open_files:,}")


def check_halt() -> Check:
    """Whether everything is halted, which keeps runs and loads from beginning."""
    halt = read_halt(state_dir())
    if halt is None:
        return Check("halt", True, "nothing is halted")
    return Check("halt", False, str(halt), "`brownout halt --lift` allows faults, runs and loads again")


def check_processor() -> Check:
    """Whether other work leaves a core to the load generator, whose lag would make a run inconclusive."""
    usable = usable_cores()
    busy = os.getloadavg()[0]
    free = max(0.0, usable - busy)
    detail = f"{usable} cores, {busy:.1f} busy over the last minute"
    if free >= FREE_CORES:
        return Check("processor", True, detail)
    return Check("processor", False, detail, "let other work end, or a run's generator will lag (verdict inconclusive)")


def check_leftovers(leftovers: Leftovers) -> Check:
    """Whether earlier commands left stacks without an owner, or faults that no process will revert; names those in force."""
    left, in_force = leftovers()
    if left:
        return Check("leftovers", False, "; ".join((*left, *in_force)), "`brownout heal`")
    return Check(
        "leftovers", True, "; ".join(("no stale stack", *in_force)) if in_force else "no stale stack, no fault in force"
    )


def ledger_leftovers() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is left over, and which faults are in force on purpose: by the ledger, and by what stands beside it."""
    if not anything_stands():
        return (), ()
    left: list[str] = []
    in_force: list[str] = []
    with Ledger(ledger_path()) as ledger:
        left.extend(f"stack {entry.id} stands and is in no ledger" for entry in unknown_stacks(ledger))
        for stack in ledger.stacks():
            faults = ledger.open_faults(stack.id)
            stale = () if stack.run_owned and stack.owner.alive() else unowned_faults(faults)
            for fault in faults:
                (left if fault.id in stale else in_force).append(f"fault {fault.id} on stack {stack.id} is {fault.state}")
            if not stack.owner.alive():
                left.extend(_left_of(ledger, stack))
    return tuple(left), tuple(in_force)


def _left_of(ledger: Ledger, stack: StackRecord) -> Iterator[str]:
    """What else is left of a stack without a living owner."""
    if stack.run_owned:
        yield f"stack {stack.id} outlived its run (process {stack.owner.pid})"
    elif stack.owner.pid:
        yield f"stack {stack.id} never came up, its `up` was killed"
    try:
        seen = asyncio.run(world_of(stack).survey())
    except StackGone:
        return
    except WorldError as error:
        yield f"stack {stack.id} cannot be looked at: {error.message}"
        return
    yield from (
        f"{carrier} holds {fault_id}, a fault that no ledger knows"
        for carrier, fault_id in stray_holds(stack, ledger, seen.holds)
    )
    yield from (f"on stack {stack.id}, not by Brownout: {what}" for what in seen.foreign)


def check_load_packages() -> Check:
    """Whether the load's packages are installed. They are not imported, because Locust patches the whole process."""
    wanted = {**LOAD_MODULES, **CANARY_MODULES}
    missing = hints.missing(*wanted)
    if not missing:
        return Check("load and canaries", True, f"{', '.join(wanted)} are installed")
    fix = hints.install(*(wanted[name] for name in missing))
    return Check("load and canaries", False, f"missing: {', '.join(missing)}", fix)


def check_vendors() -> Check:
    """Whether both vendors' halves of a stack can run; experiments that need one that cannot are refused."""
    lacking = {vendor: hints.missing(*modules) for vendor, modules in EXTRA_MODULES.items()}
    left_out = {vendor: missing for vendor, missing in lacking.items() if missing}
    if not left_out:
        return Check("vendors", True, f"stacks have {' and '.join(installed_vendors())}")
    missing = "; ".join(f"{vendor} is left out of stacks, missing: {', '.join(names)}" for vendor, names in left_out.items())
    return Check("vendors", False, missing, hints.install(*left_out))


def check_plugins() -> Check:
    """Whether what other packages add can be imported; what cannot blocks only what uses it."""
    broken = list(plugins.broken_faults().values())
    count = len(plugins.faults())
    for group in _PLUGIN_GROUPS:
        for entry in installed(group):
            try:
                imported(entry)
                count += 1
            except UsageError as error:
                broken.append(error)
    if not broken:
        return Check("plug-ins", True, f"{count} can be imported")
    return Check("plug-ins", False, "; ".join(error.message for error in broken), "mend or uninstall them; all others work")


def check_proxy_variables(environment: Mapping[str, str]) -> Check:
    """Whether proxy variables would redirect a client under test (Brownout's own calls ignore these variables)."""
    lowered = {key.lower(): value for key, value in environment.items()}
    present = [name for name in _PROXY_VARIABLES if lowered.get(name)]
    exempt = {part.strip() for part in lowered.get("no_proxy", "").split(",")}
    if not present:
        return Check("proxy variables", True, "none set")
    detail = ", ".join(name.upper() for name in present)
    if "*" in exempt or {"127.0.0.1", "localhost"} <= exempt:
        return Check("proxy variables", True, f"{detail} set, loopback exempted by NO_PROXY")
    fix = "export NO_PROXY=127.0.0.1,localhost, or real clients send loopback calls to the proxy"
    return Check("proxy variables", False, f"{detail} set, loopback not exempted", fix)
