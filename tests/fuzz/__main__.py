"""A long run by hand: `PYTHONPATH=tests .venv/bin/python -m fuzz files --count 10000 --seed 1`. `all` is each in turn.

Prints how often each promise was broken, with the seed of a first case. `--only SEED` tries one case and prints it. A case of a
node may need those before it, since a node has state: then a run with the same seed and count finds it again.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from fuzz.targets import TARGETS, target_of

MEMORY_MAX = 2_000_000_000


def main() -> int:
    """Exit code 1 when anything was broken."""
    told = _arguments()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))  # /dev/zero as a file must not cost the machine its memory
    return max([_tried(name, told) for name in (TARGETS if told.what == "all" else (told.what,))])


def _tried(what: str, told: argparse.Namespace) -> int:
    target, kinds, first = target_of(what), Counter[str](), dict[str, int]()
    seeds = [told.only] if told.only is not None else range(told.seed * 1_000_000, told.seed * 1_000_000 + told.count)
    began_s = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        for seed in seeds:
            made, broken = target.attempt(random.Random(seed), Path(name))
            if told.only is not None:
                sys.stdout.write(f"{made!r}\n")
            if broken:
                kinds[broken] += 1
                if first.setdefault(broken, seed) == seed and told.keep:
                    sys.stdout.write(f"{seed}: {broken}\n")
                    sys.stdout.flush()
    for broken, times in kinds.most_common():
        sys.stdout.write(f"{times:6} x {broken}  (--only {first[broken]})\n")
    took_s = time.process_time() - began_s
    sys.stdout.write(
        f"{what}: {len(seeds)} tried in {took_s:.0f} s of processor, "
        f"{sum(kinds.values())} broke a promise, in {len(kinds)} ways\n"
    )
    sys.stdout.flush()
    return 1 if kinds else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("all", *TARGETS))
    parser.add_argument("--count", type=int, default=1_000, help="of each surface")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep", action="store_true", help="say each new kind when it is found")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
