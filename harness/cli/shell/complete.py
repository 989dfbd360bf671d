"""What may stand where the cursor is: faults, targets, experiments, stacks.

A shell asks at each press of a key, so what is offered is read from names and files: no fault is imported for its name, and no
node is asked. What a fault's target says is in its code, which takes longer to import than a person wants to wait: it is kept
in a file, with when that code was changed. Whatever goes wrong, nothing is offered and nothing is printed: a traceback in the
middle of a command line does not help the user.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click

    from brownout.harness.injection.ledger_records import StackRecord
    from brownout.identity.core.topology import StackSpec

    Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
    Names = Callable[[click.Context, str], Iterable[str]]

FILE = "file"
KEPT = "completion.json"  # in the state folder
YAML = (".yaml", ".yml")


def offering(names: Names, *, files: bool = False) -> Complete:
    """The callback of a parameter: those of `names` that begin as what is written does; with `files` the shell's too."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = [CompletionItem(_typed(name)) for name in names(ctx, incomplete) if name.startswith(incomplete)]
        except Exception:  # see above
            return []
        return found or ([CompletionItem(incomplete, type=FILE)] if files else [])

    return complete


def _typed(name: str) -> str:
    """The name as it stands on a command line: a link's `->` redirects in bash, where zsh and fish quote it themselves."""
    word = (os.environ.get("COMP_WORDS", "").split("\n") or [""])[-1]
    is_bare = os.environ.get("_BROWNOUT_COMPLETE") == "bash_complete" and not word.startswith(("'", '"'))
    return name.replace(">", r"\\>") if is_bare else name  # click's script reads one of two backslashes away


def _fault_names(ctx: click.Context, incomplete: str) -> Iterator[str]:
    from brownout.harness.base.entry_points import installed

    yield from sorted(entry.name for entry in installed("brownout.faults"))


def _experiment_names(ctx: click.Context, incomplete: str) -> Iterator[str]:
    from importlib.util import find_spec

    from brownout.harness.base.entry_points import installed

    for entry in installed("brownout.experiments"):
        spec = find_spec(entry.value)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            yield from sorted(path.stem for path in Path(folder).glob("*.yaml"))
    here = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    for path in sorted(here.iterdir()) if here.is_dir() else ():
        text = f"{'./' if incomplete.startswith('./') else ''}{path}"
        if path.is_dir():
            yield f"{text}/"
        elif path.suffix in YAML:
            yield text


def _rows() -> tuple[StackRecord, ...]:
    from brownout.harness.base.statedir import existing_state_dir, ledger_path

    if existing_state_dir() is None or not ledger_path().exists():
        return ()
    from brownout.harness.injection.ledger import Ledger

    with Ledger(ledger_path()) as ledger:
        return ledger.stacks()


def _stack_names(ctx: click.Context, incomplete: str) -> Iterator[str]:
    yield from (row.id for row in _rows())


def _fault_ids(ctx: click.Context, incomplete: str) -> Iterator[str]:
    rows = [row for row in _rows() if not row.run_owned]
    if not rows:
        return
    from brownout.harness.base.statedir import ledger_path
    from brownout.harness.injection.ledger import Ledger

    with Ledger(ledger_path()) as ledger:
        yield from (fault.id for row in rows for fault in ledger.open_faults(row.id))


def _targets(ctx: click.Context, incomplete: str) -> Iterator[str]:
    """What the fault can be done to, on the stack that is meant."""
    wanted = ctx.params.get("stack")
    row = next(each for each in _rows() if not each.run_owned and wanted in ("", None, each.id))
    kind = ctx.params.get("fault") or ctx.args[0]  # click leaves words to `args` where an option's value is still missing
    yield from _of(_target_of(kind), _spec(row))


def _spec(row: StackRecord) -> StackSpec:
    from brownout.harness.worlds.catalog import PROCESSES

    if row.world == PROCESSES:
        from brownout.identity.server.spec_file import read_served

        return read_served(row.folder / "spec.json").stack
    from brownout.harness.injection.recovery import world_of

    return world_of(row).spec


def _target_of(kind: str) -> tuple[str, ...]:
    """The names of the parameters that the fault's target fills, as its code or an earlier look at it says."""
    from importlib.util import find_spec

    from brownout.harness.base.entry_points import imported, installed
    from brownout.harness.base.files import replace_whole
    from brownout.harness.base.statedir import state_dir

    entry = next(each for each in installed("brownout.faults") if each.name == kind)
    spec = find_spec(entry.module)
    changed_ns = Path(spec.origin).stat().st_mtime_ns if spec is not None and spec.origin else 0
    kept = state_dir() / KEPT
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if known.get(kind, {}).get("changed_ns") != changed_ns:
        known[kind] = {"changed_ns": changed_ns, "target": imported(entry).target}
        replace_whole(kept, json.dumps(known), durable=False)
    return tuple(known[kind]["target"])


def _of(names: tuple[str, ...], spec: StackSpec) -> Iterator[str]:
    """The targets that fill the parameters of these names; none for parameters that hold no part of a stack."""
    match names:
        case ("link" | "links", *_):
            yield from map(str, spec.links())
        case ("node" | "nodes", *_):
            yield from spec.nodes()
        case ("region", "zone"):
            zones = sorted({tuple(node.split(".")[::2]) for node in spec.nodes() if node.count(".") == 2})
            yield from (".".join(each) for each in zones)
        case ("region", "machine" | "machines"):
            yield from (f"{machine.region}.{machine.name}" for machine in spec.machines)
        case ("region" | "regions", *_):
            yield from spec.regions
        case ("name", *_):
            from brownout.harness.world import endpoint_names

            yield from endpoint_names(spec)


fault_names = offering(_fault_names, files=True)
experiment_names = offering(_experiment_names)
stack_names = offering(_stack_names)
fault_ids = offering(_fault_ids)
targets = offering(_targets)
