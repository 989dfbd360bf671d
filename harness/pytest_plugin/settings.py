"""The plugin's options: each is `--brownout-X`, else BROWNOUT_X, else `brownout_X` of the ini file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from brownout.harness.pytest_plugin.outcome import POLICIES
from brownout.harness.worlds.catalog import SIMULATION, WORLDS

DEFAULT_SEED = 1
OPTIONS = {
    "world": f"world of runs that name none: {' or '.join(WORLDS)} (simulation)",
    "seed": "seed of runs that name none (1)",
    "out": "folder to keep run folders and their reports in (a temporary one, without reports)",
    "inconclusive": f"what an inconclusive test counts as: {', '.join(POLICIES)} (skip)",
}


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """The plugin's options, settled."""

    world: str = SIMULATION
    seed: int = DEFAULT_SEED
    out: Path | None = None
    inconclusive: str = "skip"

    @classmethod
    def of(cls, config: pytest.Config) -> PluginSettings:
        """From the command line, the environment and the ini file, in this order; raises pytest.UsageError."""
        seed, out = _option(config, "seed"), _option(config, "out")
        return cls(
            world=_choice("world", _option(config, "world"), tuple(WORLDS)),
            seed=_seed(seed) if seed else DEFAULT_SEED,
            out=config.invocation_params.dir / Path(out).expanduser() if out else None,
            inconclusive=_choice("inconclusive", _option(config, "inconclusive"), POLICIES),
        )


def _seed(text: str) -> int:
    from brownout.harness.base.plain import parse_whole  # brings pydantic, for which a session without a seed need not wait

    try:
        seed = parse_whole(text)
    except ValueError as wrong:
        raise pytest.UsageError(f"brownout seed: {wrong}") from wrong
    if seed < 0:
        raise pytest.UsageError(f"brownout seed {text!r} is not a whole number from 0 on")
    return seed


def _option(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"brownout_{name}")
    return str(given or os.environ.get(f"BROWNOUT_{name.upper()}") or config.getini(f"brownout_{name}") or "")


def _choice(name: str, value: str, choices: tuple[str, ...]) -> str:
    """One of the choices, the default (each has its own) when the value is empty; raises pytest.UsageError."""
    if value and value not in choices:
        raise pytest.UsageError(f"brownout {name} {value!r} is none of {', '.join(choices)}")
    return value or choices[0]
