"""A clock that can be moved, for programs of Go. Nothing from outside moves theirs: Go asks the kernel without the C library.

So the program is built with a copy of the standard library's `time.go` in which `Now`, `Since` and `Until` are ahead by the
variable `Ahead`. Timers are not concerned: a wait takes as long as it would.
"""

from __future__ import annotations

import json
from pathlib import Path

_NOW, _SINCE, _UNTIL = (
    "\tsec, nsec, mono := runtimeNow()\n",
    "subMono(runtimeNano()-startNano, t.ext)",
    "subMono(t.ext, runtimeNano()-startNano)",
)
_CHANGES = (  # what is there once, and what takes its place
    (_NOW, f"{_NOW}\tsec, mono = sec+int64(Ahead/Second), mono+int64(Ahead)\n"),
    (_SINCE, "subMono(runtimeNano()+int64(Ahead)-startNano, t.ext)"),
    (_UNTIL, "subMono(t.ext, runtimeNano()+int64(Ahead)-startNano)"),
)
_VARIABLE = "\n// Ahead is by how much the clock of this process is moved.\nvar Ahead Duration\n"


def with_clock(source: str) -> str:
    """The text of `time.go` with the variable; raises ValueError where this version of Go has it written in another way."""
    for text, changed in _CHANGES:
        if source.count(text) != 1:
            raise ValueError(f"time.go has {text.strip()!r} {source.count(text)} times and not once")
        source = source.replace(text, changed)
    return source + _VARIABLE


def write_overlay(goroot: Path, folder: Path) -> Path:
    """Writes what `go build -overlay` takes, and returns its path; raises ValueError as `with_clock` does."""
    original, changed, overlay = goroot / "src" / "time" / "time.go", folder / "time.go.txt", folder / "overlay.json"
    changed.write_text(with_clock(original.read_text(encoding="utf-8")), encoding="utf-8")
    overlay.write_text(json.dumps({"Replace": {str(original): str(changed)}}), encoding="utf-8")
    return overlay
