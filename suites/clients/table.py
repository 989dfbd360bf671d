"""`python -m brownout.suites.clients.table`: measures clients of Azure on a real stack and writes the page that shows it.

Measures those named by --client and keeps what is stored of the others; without --client it only writes the page. The
measurements are in docs/data/azure-clients.json. Clients of other languages are built in the folder --tools.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from brownout.suites.clients.answers import ANSWERS, OUTAGES
from brownout.suites.clients.measure import CLIENTS, PYTHON, cases_of, measure
from brownout.suites.clients.page import page
from brownout.suites.clients.programs.others import TOOLS, build
from brownout.suites.clients.records import ClientMeasurement, merged, read, write


def measured(clients: Sequence[str], tools: Path) -> tuple[ClientMeasurement, ...]:
    """All that there is to measure of these clients."""
    programs = {name: build(name, tools) for name in clients if name not in PYTHON}
    aged = [name for name in clients if name in PYTHON or programs[name].ages]
    with tempfile.TemporaryDirectory(prefix="brownout-clients-") as folder:
        return asyncio.run(measure(cases_of(clients, ANSWERS, OUTAGES, aged), programs, Path(folder)))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m brownout.suites.clients.table", description=__doc__)
    parser.add_argument("--client", action="append", default=[], choices=CLIENTS, help="measure it; may be repeated")
    parser.add_argument("--tools", type=Path, default=TOOLS)
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="the folder of the page and its data")
    options = parser.parse_args(arguments)
    data = options.docs / "data" / "azure-clients.json"
    rows = read(data) if data.exists() else ()
    if options.client:
        rows = merged(rows, measured(options.client, options.tools))
        write(data, rows)
    (options.docs / "azure-clients.md").write_text(page(rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
