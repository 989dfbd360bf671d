"""Real Azure SDK clients, one process for each: `python golden_clients.py FOLDER < CASES`.

The SDK is imported once and each case is a fork of that, because the emulated machine that a client runs on is chosen by
its environment. A case is `{"name", "kind": "sync" | "async" | "dac", "authority", "steps": [...]}`; a step waits for the
file FOLDER/`after` (if given), moves the process's clock by `shift_s` and asks for a token. The outcomes of all steps end
up in FOLDER/NAME.json, whole or not at all. A case with a `pace` waits that many times less
between its requests.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.identity
import azure.identity.aio

SCOPE = "https://vault.azure.net/.default"
CLIENTS: dict[str, Callable[..., Any]] = {
    "sync": azure.identity.ManagedIdentityCredential,
    "async": azure.identity.aio.ManagedIdentityCredential,
    "dac": azure.identity.DefaultAzureCredential,
}
waits_s: list[float] = []  # of the acquisition under way: what the client chose, whatever the machine made of it
real_time, real_sleep, real_sleep_async = time.time, time.sleep, asyncio.sleep


def outcome_of(get: Callable[[], Any]) -> dict[str, Any]:
    """One acquisition: the token's facts or the class of the error, and how long the client chose to wait in between."""
    waits_s.clear()
    try:
        token = get()
        got = {"token": token.token, "refresh_in_s": (token.refresh_on or 0) - time.time()}
    except Exception as failed:
        got = {"error": type(failed).__name__}
    return {**got, "waited_s": sum(waits_s)}


async def outcome_of_async(credential: Any) -> dict[str, Any]:
    waits_s.clear()
    try:
        token = await credential.get_token_info(SCOPE)
        got = {"token": token.token, "refresh_in_s": (token.refresh_on or 0) - time.time()}
    except Exception as failed:
        got = {"error": type(failed).__name__}
    return {**got, "waited_s": sum(waits_s)}


def prepare(step: dict[str, Any], folder: Path) -> None:
    while step.get("after") and not (folder / step["after"]).exists():
        time.sleep(0.01)
    time.time = lambda: real_time() + step.get("shift_s", 0)


async def run_async(credential: Any, steps: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    outcomes = []
    async with credential:
        for number, step in enumerate(steps):
            prepare(step, folder)
            outcomes.append(await outcome_of_async(credential))
            mark(folder, number)
    return outcomes


def run_sync(credential: Any, steps: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    outcomes = []
    for number, step in enumerate(steps):
        prepare(step, folder)
        outcomes.append(outcome_of(lambda: credential.get_token_info(SCOPE)))
        mark(folder, number)
    return outcomes


def mark(folder: Path, number: int) -> None:
    """Says that this process is through with a step."""
    (folder / f"{os.getpid()}.{number}.done").touch()


def live_faster(pace: float) -> None:
    """Shortens every wait of this process, and writes down how long it would have been."""

    def sleep(seconds: float) -> None:
        waits_s.append(seconds)
        real_sleep(seconds / pace)

    async def sleep_async(seconds: float, result: Any = None) -> Any:
        waits_s.append(seconds)
        return await real_sleep_async(seconds / pace, result)

    time.sleep, asyncio.sleep = sleep, sleep_async


def run_case(case: dict[str, Any], folder: Path) -> None:
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = case["authority"]
    os.environ["AZURE_TOKEN_CREDENTIALS"] = "prod"
    live_faster(case.get("pace", 1))
    credential = CLIENTS[case["kind"]](**case.get("options", {}))
    if inspect.iscoroutinefunction(credential.get_token_info):
        outcomes = asyncio.run(run_async(credential, case["steps"], folder))
    else:
        outcomes = run_sync(credential, case["steps"], folder)
    draft = folder / f"{case['name']}.new"
    draft.write_text(json.dumps(outcomes))
    draft.rename(folder / f"{case['name']}.json")


def main() -> None:
    folder = Path(sys.argv[1])
    children = []
    for case in json.load(sys.stdin):
        pid = os.fork()
        if pid == 0:
            run_case(case, folder)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
