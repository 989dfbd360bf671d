"""A run as JUnit XML: each objective and each claim a test case, so that any CI service shows them one by one.

What could not be decided is `skipped` with its reason, never passed; a failed gate skips (or errors) as the gate says.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from brownout.harness.record.result import ClaimResult, GateResult, InvariantResult, Result, SloResult
from brownout.reports import story
from brownout.reports.units import printable as _xml

_CLAIM_OUTCOMES = {"holds": "", "differs": "failure"}  # any other claim proves nothing: it is skipped


def render(result: Result) -> str:
    """One test suite for the run."""
    cases = list(_cases(result))
    suite = ET.Element("testsuite", _attributes(result, cases))
    properties = ET.SubElement(suite, "properties")
    for name in ("verdict", "world", "posture", "seed", "clock_rate", "digest", "command"):
        ET.SubElement(properties, "property", {"name": name, "value": _xml(getattr(result, name))})
    suite.extend(cases)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _attributes(result: Result, cases: list[ET.Element]) -> dict[str, str]:
    counts = {tag: str(sum(case.find(kind) is not None for case in cases)) for tag, kind in _COUNTS.items()}
    name = f"{result.experiment} ({result.posture}, {result.world})"
    return {"name": _xml(name), "tests": str(len(cases)), "time": f"{result.wall_s:.3f}", **counts}


_COUNTS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def _cases(result: Result) -> Iterator[ET.Element]:
    yield _run_case(result)
    if result.unexpected and result.verdict in ("pass", "breach"):
        yield _case(result, "run", "verdict", "failure", f"{result.verdict}: {result.expectation}")
    for slo in result.slos:
        yield _slo_case(result, slo)
    for invariant in result.invariants:
        yield _invariant_case(result, invariant)
    for claim in result.claims:
        yield _claim_case(result, claim)
    for gate in result.gates:
        yield _gate_case(result, gate)


def _case(result: Result, kind: str, name: str, problem: str = "", message: str = "") -> ET.Element:
    case = ET.Element("testcase", {"classname": _xml(f"{result.experiment}.{kind}"), "name": _xml(name)})
    if problem:
        ET.SubElement(case, problem, {"message": _xml(message)})
    return case


def _run_case(result: Result) -> ET.Element:
    """The run itself: an error when it did not finish or the harness failed."""
    if not result.finished:
        return _case(result, "run", "finished", "error", "the run did not finish")
    if result.verdict in ("harness-error", "unsafe"):
        return _case(result, "run", "finished", "error", f"{result.verdict}: {'; '.join(result.reasons)}")
    return _case(result, "run", "finished")


def _slo_case(result: Result, slo: SloResult) -> ET.Element:
    problem = {"breached": "failure", "undecided": "skipped"}.get(slo.status, "")
    case = _case(result, "objective", slo.name, problem, f"{slo.status}: {slo.reason}")
    if slo.missed_in:
        ET.SubElement(case, "system-out").text = _xml("\n".join(map(story.window_text, slo.missed_in)))
    return case


def _invariant_case(result: Result, one: InvariantResult) -> ET.Element:
    problem = {"violated": "failure", "not-exercised": "skipped"}.get(one.status, "")
    message = f"{one.evidence} (1 of {one.violations})" if one.evidence else "not exercised"
    return _case(result, "invariant", f"{one.name}: {one.sentence}", problem, message)


def _claim_case(result: Result, claim: ClaimResult) -> ET.Element:
    problem = _CLAIM_OUTCOMES.get(claim.status, "skipped")
    message = f"{claim.status}: published {claim.published}, measured {claim.measured} {claim.interval}".rstrip()
    return _case(result, "claim", f"{claim.id} {claim.text}", problem, message)


def _gate_case(result: Result, gate: GateResult) -> ET.Element:
    problem = "" if gate.passed else "skipped" if gate.severity == "inconclusive" else "error"
    return _case(result, "gate", gate.name, problem, f"{gate.severity}: {gate.reason}")
