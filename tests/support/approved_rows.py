"""A file of reviewed rows, and its renewal from the command line: a difference is to be reviewed before it is committed."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.places import ROOT


def renew(path: Path, rows: Mapping[str, Any]) -> None:
    """Writes the rows with `--write` among the command's arguments; without it only says whether the file would differ."""
    text = json.dumps(rows, indent=1) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        sys.stdout.write(f"{path.relative_to(ROOT)} differs\n")
        if "--write" in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
