"""Colours and marks, in one place: Okabe and Ito's colour-blind safe hues, shifted to hold 3:1 on white and on near-black.

Colour never carries information alone: cohorts also differ in dash and marker, and every status has a shape and a word.
Charts carry CSS variable names (`c0`, `bad`, ...), so that the page's own light and dark values decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LIGHT: Mapping[str, str] = {
    "ink": "#1c2128",
    "soft": "#5a6472",
    "line": "#d5dae1",
    "paper": "#ffffff",
    "good": "#00795a",
    "bad": "#c04a00",
    "act": "#0067a3",
    "unsure": "#8a6100",
    "calm": "#a9b6c6",
    "c0": "#0072b2",
    "c1": "#c27c00",
    "c2": "#009e73",
    "c3": "#b3568c",
    "c4": "#4b5563",
    "c5": "#3a9bd4",
    "c6": "#8a7a00",
    "c7": "#8a5a3c",
}
DARK: Mapping[str, str] = {
    "ink": "#e6eaf0",
    "soft": "#9aa5b4",
    "line": "#2f3742",
    "paper": "#14181e",
    "good": "#3fc79c",
    "bad": "#f5884a",
    "act": "#6cbcf0",
    "unsure": "#e0b23f",
    "calm": "#4d5a6b",
    "c0": "#56b4e9",
    "c1": "#e69f00",
    "c2": "#2dbe94",
    "c3": "#dd92bc",
    "c4": "#c3cad4",
    "c5": "#8fa8ff",
    "c6": "#f0e442",
    "c7": "#d2a679",
}
# A colour and a hatch for each outcome: what is not good can be told without colours.
OUTCOME_STYLES: Mapping[str, tuple[str, str]] = {
    "good": ("calm", " "),
    "slow": ("unsure", "\\"),
    "refused": ("bad", "/"),
    "unknown": ("unsure", "."),
}
OUTCOMES = tuple(OUTCOME_STYLES)
COHORT_COLOURS = 8
_DASHES: tuple[tuple[int, ...], ...] = ((), (8, 3), (2, 2), (9, 3, 2, 3), (), (5, 2), (12, 3), (3, 4))


@dataclass(frozen=True, slots=True)
class CohortStyle:
    """How one cohort is drawn everywhere: a CSS variable's name and a dash pattern (empty is solid)."""

    colour: str
    dash: tuple[int, ...]


def cohort_style(index: int) -> CohortStyle:
    """The style of the cohort at `index`; after eight the colours come round again with another dash."""
    turn = index // COHORT_COLOURS
    return CohortStyle(f"c{index % COHORT_COLOURS}", _DASHES[(index + turn) % len(_DASHES)])


VERDICT_WORDS: Mapping[str, str] = {
    "pass": "Pass",
    "breach": "Breach",
    "inconclusive": "Inconclusive",
    "harness-error": "Harness error",
    "unsafe": "Left unsafe",
}
# Each status' mark: `good`, `bad`, `unsure` or `plain`. The mark decides shape and colour, the word says the rest.
MARKS: Mapping[str, str] = {
    "pass": "good",
    "breach": "bad",
    "inconclusive": "unsure",
    "harness-error": "bad",
    "unsafe": "bad",
    "met": "good",
    "breached": "bad",
    "undecided": "unsure",
    "holds": "good",
    "differs": "bad",
    "calibrated": "unsure",
    "not-decided": "unsure",
    "not-testable": "plain",
    "held": "good",
    "violated": "bad",
    "passed": "good",
    "failed": "bad",
    "healed": "good",
    "lost": "bad",
    "stuck": "bad",
    "defended": "good",
    "not-reached": "plain",
    "spared": "plain",
    "not-exercised": "unsure",
    "happened": "good",
    "refused": "bad",
    "unknown": "unsure",
    "better": "good",
    "worse": "bad",
    "not comparable": "unsure",
    "no regression": "good",
    "regression": "bad",
}
SYMBOLS: Mapping[str, str] = {"good": "✓", "bad": "✗", "unsure": "?", "plain": "–"}


def mark(status: str) -> str:
    """The mark of a status; `plain` for a word that is not known."""
    return MARKS.get(status, "plain")


def verdict_mark(verdict: str, *, unexpected: bool) -> str:
    """The mark of a run: a pass that was not expected is not good, because the experiment was to show the opposite."""
    return "unsure" if unexpected and verdict == "pass" else mark(verdict)


def variables(colours: Mapping[str, str]) -> str:
    """The colours as CSS custom properties."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())
