"""Azure's clients for Python, one process for each case: `python python_client.py FOLDER AT_ONCE < CASES`.

The SDK is imported once and each case is a fork of that, because the emulated machine that a client runs on is chosen by its
environment. What a case is and what comes of it, `python_cases.py` says. Nothing of Brownout is imported here: the process is
that of an application.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.identity
import azure.identity.aio
import msal  # type: ignore[import-untyped]  # it has no types
import requests
from azure.core.credentials import AccessTokenInfo

RESOURCE = "https://vault.azure.net"
SCOPE = f"{RESOURCE}/.default"
PACKAGES = {"msal": "msal"}
POLL_S = 0.01
waits_s: list[float] = []  # of the acquisition under way: what the client chose, whatever the machine made of it
real_time, real_sleep, real_sleep_async = time.time, time.sleep, asyncio.sleep


class ErrorReturned(Exception):
    """MSAL returned an error, where others raise one."""


class Msal:
    """MSAL as it is used by itself, with the call of the other clients."""

    def __init__(self) -> None:
        self._client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=requests.Session())

    def get_token_info(self, _scope: str) -> AccessTokenInfo:
        """Raises ErrorReturned, and what MSAL raises."""
        answer = self._client.acquire_token_for_client(resource=RESOURCE)
        if "access_token" not in answer:
            raise ErrorReturned(str(answer))
        return AccessTokenInfo(answer["access_token"], 0)


CLIENTS: dict[str, Callable[..., Any]] = {
    "sync": azure.identity.ManagedIdentityCredential,
    "async": azure.identity.aio.ManagedIdentityCredential,
    "dac": azure.identity.DefaultAzureCredential,
    "msal": Msal,
}


def live_faster(pace: float) -> None:
    """Shortens every wait of this process, and writes down how long it would have been."""

    def sleep(seconds: float) -> None:
        waits_s.append(seconds)
        real_sleep(seconds / pace)

    async def sleep_async(seconds: float, result: Any = None) -> Any:
        waits_s.append(seconds)
        return await real_sleep_async(seconds / pace, result)

    time.sleep, asyncio.sleep = sleep, sleep_async  # type: ignore[assignment]  # they are what clients call


async def acquire(credential: Any) -> dict[str, Any]:
    """One acquisition."""
    waits_s.clear()
    found = {"error": "", "token": "", "refresh_in_s": 0.0}
    try:
        got = credential.get_token_info(SCOPE)
        token = await got if inspect.isawaitable(got) else got
        found |= {"token": token.token, "refresh_in_s": (token.refresh_on or 0) - time.time()}
    except Exception as failed:
        found["error"] = type(failed).__name__
    return {**found, "seconds": sum(waits_s)}


def await_file(path: str) -> None:
    while path and not Path(path).exists():
        real_sleep(POLL_S)


async def story(case: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Every step in turn: after each there is a file that says so."""
    credential = CLIENTS[case["kind"]](**case["options"])
    found = []
    for number, step in enumerate(case["steps"]):
        await_file(step["after"])
        time.time = lambda shift_s=step["shift_s"]: real_time() + shift_s  # type: ignore[misc]  # binds now
        found.append(await acquire(credential))
        (folder / f"{case['name']}.{number}.done").touch()
    ended = credential.close() if hasattr(credential, "close") else None
    if inspect.isawaitable(ended):
        await ended
    return found


def run_case(case: dict[str, Any], folder: Path) -> None:
    os.environ |= {"AZURE_TOKEN_CREDENTIALS": "prod"} | case["environment"]
    live_faster(case["pace"])
    found = asyncio.run(story(case, folder))
    version = importlib.metadata.version(PACKAGES.get(case["kind"], "azure-identity"))
    draft = folder / f"{case['name']}.new"
    draft.write_text(json.dumps({"version": version, "steps": found}))
    draft.rename(folder / f"{case['name']}.json")


def main() -> None:
    logging.disable(logging.CRITICAL)  # errors are told as data
    folder, at_once = Path(sys.argv[1]), int(sys.argv[2])
    running = 0
    for case in json.load(sys.stdin):
        if running == at_once:
            os.wait()
            running -= 1
        if os.fork() == 0:
            run_case(case, folder)
            os._exit(0)
        running += 1
    for _ in range(running):
        os.wait()


if __name__ == "__main__":
    main()
