"""Mutants by hand: each is a lie that a run might tell. They are tried first, and none may survive."""

from __future__ import annotations

from typing import NamedTuple

from support.places import ROOT


class Patch(NamedTuple):
    """In the file `path` the text `old`, which is there once, becomes `new`. `tests` are those that must notice."""

    lie: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self) -> bytes:
        """The file with the patch; raises ValueError when the file has changed so that it does not fit."""
        source = (ROOT / self.path).read_text(encoding="utf-8")
        if source.count(self.old) != 1:
            raise ValueError(f"{self.lie}: {self.path} has {self.old!r} {source.count(self.old)} times, and must have it once")
        return source.replace(self.old, self.new).encode()


PATCHES: tuple[Patch, ...] = (
    Patch(
        "the generator's share of the processor is always 0",
        "harness/load/heartbeats.py",
        "share = (beat.cpu_s - oldest.cpu_s) / passed_s",
        "share = 0.0",
        ("tests/harness/load/test_heartbeats.py",),
    ),
    Patch(
        "the generator's share of the processor is not told",
        "harness/load/driver.py",
        '"cpu_share": self._beats.cpu_share(),',
        '"cpu_share": 0.0,',
        ("tests/harness/load/test_driver_gauges.py",),
    ),
    Patch(
        "the completeness of the request log is not checked at its gate",
        "harness/judge/gates.py",
        "real = min(issued, load.recorded)",
        "real = issued",
        (
            "tests/harness/judge/test_own_trouble.py",
            "tests/harness/judge/test_evaluate.py",
            "tests/harness/judge/test_verdict.py",
        ),
    ),
    Patch(
        "the completeness of the request log is not checked by its driver",
        "harness/load/driver.py",
        "        self._check_complete()\n",
        "",
        ("tests/harness/load/test_driver_gauges.py",),
    ),
    Patch(
        "the vault's answer is ignored",
        "harness/load/models/resource.py",
        'result = accepted(secret, (200,), member="value")',
        'result = accepted(secret, (200,), member="value")._replace(outcome="happened", error="")',
        ("tests/harness/load/models/test_resource.py",),
    ),
    Patch(
        "the vault's answer need not have the secret",
        "harness/load/models/resource.py",
        'result = accepted(secret, (200,), member="value")',
        'result = accepted(secret, (200,), member="")',
        ("tests/harness/load/models/test_resource.py",),
    ),
    Patch(
        "the answer of Secrets Manager is ignored",
        "harness/load/models/aws/secret.py",
        "    result = result_of(answer)\n",
        '    result = result_of(answer)._replace(outcome="happened", error="")\n',
        ("tests/harness/load/models/test_aws_models.py",),
    ),
    Patch(
        "the gate of the steady state is always passed",
        "harness/judge/gates.py",
        'name="steady-state", passed=not failures,',
        'name="steady-state", passed=True,',
        (
            "tests/harness/judge/test_own_trouble.py",
            "tests/harness/judge/test_evaluate.py",
            "tests/harness/judge/test_verdict.py",
        ),
    ),
    Patch(
        "the gate of protection is always passed",
        "harness/run/conductor.py",
        '"protection", passed=not problem,',
        '"protection", passed=True,',
        ("tests/harness/run/test_conductor.py",),
    ),
    Patch(
        "the 99th percentile of latencies is the 95th",
        "harness/judge/phases.py",
        "p99_ms=percentile(latencies_ms, 0.99)",
        "p99_ms=percentile(latencies_ms, 0.95)",
        ("tests/harness/judge/test_phases.py",),
    ),
    Patch(
        "the generator's lag that 99 % do not exceed is that of 95 %",
        "suites/load/meter.py",
        "self._lags.total() // 100",
        "self._lags.total() // 20",
        ("tests/harness/load/test_log_tail.py",),
    ),
    Patch(
        "the longest outage is that of the luckiest cohort",
        "harness/judge/times.py",
        "return max((one for one in found if one is not None), key=lambda one: one.length_s)",
        "return min((one for one in found if one is not None), key=lambda one: one.length_s)",
        ("tests/harness/judge/test_times.py",),
    ),
    Patch(
        "claim C15 always holds",
        "suites/incidents/ftvr_l9z_claims.py",
        "status_of(here.all_bad and there.none_bad)",
        "status_of(True)",
        ("tests/suites/incidents/test_ftvr_l9z_claims.py",),
    ),
    Patch(
        "no claim can differ",
        "suites/incidents/published_claims.py",
        'return "holds" if holds else "differs"',
        'return "holds"',
        ("tests/suites/incidents/test_ftvr_l9z_claims.py",),
    ),
    Patch(
        "none of no requests is bad",
        "suites/incidents/evidence.py",
        "return self.total > 0 and self.bad == 0",
        "return self.bad == 0",
        ("tests/suites/incidents/test_ftvr_l9z_claims.py",),
    ),
)
