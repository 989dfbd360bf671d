"""Installed plugins by name: faults, claims, experiments, reports and the load, found through entry points.

The harness imports none of the packages that provide them. A package adds a fault, a set of claims or a folder of
experiments by an entry point and nothing else. Groups: `brownout.faults` (a Fault class each), `brownout.claims` (a
ClaimSet each), `brownout.experiments` (a package each, whose folder has `*.yaml`), `brownout.reports`, `brownout.load`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brownout.harness.base.entry_points import imported, installed
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.pydantic_errors import explain
from brownout.harness.errors import UsageError
from brownout.harness.experiment.fault_files import fault_in, is_file_name
from brownout.harness.fault import Fault
from brownout.harness.record.history import History
from brownout.harness.record.result import ClaimResult, Result

_OWN_FAULTS = "brownout.faults."
ControlRecords = Mapping[str, tuple[History, Result]]
ClaimSet = Callable[[History, Result, ControlRecords], tuple[ClaimResult, ...]]


def load_plugin(group: str, name: str) -> Any:
    """The object behind an entry point; raises UsageError when there is none of that name or it cannot be imported."""
    found = {entry.name: entry for entry in installed(group)}
    if name not in found:
        what = group.removeprefix("brownout.")
        hint = did_you_mean(name, found) or f"nothing is installed in the entry-point group {group}"
        raise UsageError(f"there is nothing called {name!r} among the {what}", hint=hint)
    return imported(found[name])


def faults() -> Mapping[str, type[Fault]]:
    """Every installed fault that can be used, by its kind."""
    return _faults()[0]


def faults_among(kinds: Iterable[str]) -> Mapping[str, type[Fault]]:
    """Those of `faults` that have one of these kinds, and perhaps others too.

    To import every fault takes a tenth of a second, and a run has a few. Where all that are installed are Brownout's own, none
    of them can be another's double, and each entry point is called as its kind: then no other needs to be looked at.
    """
    entries = {entry.name: entry for entry in installed("brownout.faults")}
    wanted = {kind for kind in kinds if not is_file_name(kind)}
    if wanted <= entries.keys() and all(entry.value.startswith(_OWN_FAULTS) for entry in entries.values()):
        with suppress(UsageError):  # `broken_faults` has it
            return {kind: _fault_class(entries[kind]) for kind in sorted(wanted)}
    return faults()


def broken_faults() -> Mapping[str, UsageError]:
    """Why an installed fault cannot be used, by its kind: it cannot be imported, is no fault, or two have that kind."""
    return _faults()[1]


def fault_class(kind: str) -> type[Fault]:
    """The installed fault of that kind, or the fault of the file `kind`, such as `./region_cut.py`; raises UsageError."""
    if is_file_name(kind):
        return fault_in(Path(kind))
    known = faults_among((kind,))
    if kind not in known:
        raise unknown_fault(kind)
    return known[kind]


def unknown_fault(kind: str) -> UsageError:
    """The error for a kind that `faults` does not have: why it is broken, or the nearest one that there is."""
    known = faults()
    hint = did_you_mean(kind, known) or "no faults are installed"
    return broken_faults().get(kind) or UsageError(f"there is no fault {kind!r}", hint=hint)


@cache
def _faults() -> tuple[Mapping[str, type[Fault]], Mapping[str, UsageError]]:
    found: dict[str, type[Fault]] = {}
    broken: dict[str, UsageError] = {}
    for entry in installed("brownout.faults"):
        try:
            kind = _fault_class(entry)
        except UsageError as error:
            broken[entry.name] = error
            continue
        if found.setdefault(kind.kind, kind) is not kind:
            both = f"{found[kind.kind]} and {kind}"
            broken[kind.kind] = UsageError(
                f"two installed faults are called {kind.kind!r}: {both}", hint="uninstall one of them"
            )
    return {name: kind for name, kind in found.items() if name not in broken}, broken


def _fault_class(entry: EntryPoint) -> type[Fault]:
    found = imported(entry)
    if not (isinstance(found, type) and issubclass(found, Fault) and isinstance(getattr(found, "kind", None), str)):
        raise UsageError(
            f"brownout.faults {entry.name!r}: {entry.value} is no Fault with a kind",
            hint="`brownout init fault` writes one to begin with",
        )
    return found


def fault(kind: str, params: Mapping[str, Any]) -> Fault:
    """The fault of that kind with those parameters; raises UsageError with a suggestion when either is wrong."""
    found = fault_class(kind)
    try:
        return found.model_validate(dict(params))
    except ValidationError as error:
        problems = explain(error, found.model_json_schema())
        hints = "; ".join(problem.hint for problem in problems if problem.hint)
        raise UsageError(f"fault {kind!r}: " + "; ".join(map(str, problems)), hint=hints) from None


def claims(name: str) -> ClaimSet:
    """The set of claims of that name; raises UsageError."""
    found: ClaimSet = load_plugin("brownout.claims", name)
    return found


def experiments() -> Mapping[str, Path]:
    """Every installed experiment file by its name (the file's, without `.yaml`); raises UsageError for a name twice."""
    found: dict[str, Path] = {}
    for entry in installed("brownout.experiments"):
        for path in sorted(path for folder in _folders(entry) for path in folder.glob("*.yaml")):
            if found.setdefault(path.stem, path) != path:
                raise UsageError(f"two installed experiments are called {path.stem!r}: {found[path.stem]} and {path}")
    return found


def _folders(entry: EntryPoint) -> tuple[Path, ...]:
    """The package's folders, found without running its code: a folder of experiments need not have any."""
    try:
        spec = find_spec(entry.value)
    except ImportError:
        spec = None
    return tuple(Path(place) for place in (spec.submodule_search_locations or ())) if spec else ()
