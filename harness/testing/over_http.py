"""A fault for a load or a program of any kind: over the standing stack's fault API, with nothing but blocking sockets.

Made for a user's own locustfile. There gevent stands in for sockets and threads, and an event loop of asyncio would stop all
users; so a fault is put in place and undone by HTTP requests of the standard library, which wait as the users' own do. A thread
renews the lease for as long as the fault is wanted. When this process is killed the lease ends, and the stack's guardian undoes
the fault. This module imports little, so that `from brownout.harness.testing import fault` costs a load nothing.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

from brownout.harness.base.statedir import existing_stack_dir
from brownout.harness.errors import BrownoutError, Halted, LeftUnsafe, NotProven, UsageError, WorldError
from brownout.harness.operate.api_process.record import read_fault_api

URL, TOKEN, STACK = "BROWNOUT_FAULTS_URL", "BROWNOUT_FAULTS_TOKEN", "BROWNOUT_STACK"
STACK_FILE = Path("stack.json")
LEASE_TTL_S = 30.0
TIMEOUT_S = 120.0  # of one request: a bite may take a while to show, and so may a heal
HOW = 'run `eval "$(brownout env)"` first, or start where the stack.json of `brownout up` is'

FaultShown = Mapping[str, Any]


def fault(
    kind: str, *, target: str | None = None, name: str = "", lease_ttl_s: float = LEASE_TTL_S, **parameters: Any
) -> RemoteFault:
    """The fault for a `with` block, or for `start` and `stop`, on the standing stack that the environment names.

    `target` and parameters are those that `brownout faults KIND` lists. Processes that use the same `name` (the kind, when
    empty) share one fault. Raises UsageError where no stack can be found.
    """
    order = {"fault": kind, "parameters": parameters, "lease_ttl_s": lease_ttl_s}
    if target is not None:
        order["target"] = target
    return RemoteFault(_api(os.environ), name or kind, order, lease_ttl_s)


class RemoteFault:
    """A fault of the stack's fault API. `evidence` is what proved the bite."""

    def __init__(self, api: tuple[str, str], name: str, order: FaultShown, lease_ttl_s: float) -> None:
        self.name = name
        self._url, self._token = api
        self._order, self._lease_ttl_s = order, lease_ttl_s
        self._known: FaultShown = {}
        self._ended = threading.Event()
        self._renewer: threading.Thread | None = None
        self._lost = ""

    @property
    def evidence(self) -> str:
        assert self._known, "it was not started"
        return str(self._known["evidence"])

    def start(self) -> Self:
        """Returns once the fault is seen to bite; raises NotProven, with the fault undone, UsageError, Halted, WorldError."""
        if self._renewer is not None:
            raise UsageError(f"the fault {self.name} was started before", hint="stop it first")
        self._known = self._ask("PUT", self._order)
        self._ended.clear()
        self._renewer = threading.Thread(target=self._renew, name=f"lease of {self.name}", daemon=True)
        self._renewer.start()
        return self

    def stop(self) -> None:
        """Undoes the fault and returns once it is seen to be healed. May be called twice.

        Raises LeftUnsafe where it cannot be undone, NotProven where no heal was seen or it was not in force until now.
        """
        if self._renewer is None:
            return
        self._ended.set()
        self._renewer.join()
        self._renewer = None
        healed = self._ask("DELETE")
        kind = str(self._order["fault"])
        if lost := healed.get("lost") or self._lost or self._undone_before(healed):
            raise NotProven(kind, f"it was not in force until its end: {lost}")
        if healed["state"] != "healed":
            raise NotProven(kind, f"no heal was seen ({healed['state']}): {healed['evidence']}")

    def _undone_before(self, healed: FaultShown) -> str:
        """Why this was not the request that undid it; "" when it was."""
        if healed["id"] != self._known["id"]:
            return f"another fault had taken its place, {healed['id']}"
        return "" if healed["heal_ms"] is not None or healed["state"] != "healed" else "something else undid it"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.stop()
        except NotProven:
            if raised is None:
                raise

    def _renew(self) -> None:
        """Renews the lease until the end, three times as often as it has to be; notes a fault that had to be put anew."""
        while not self._ended.wait(self._lease_ttl_s / 3):
            try:
                found = self._ask("PUT", self._order)
            except WorldError:
                continue  # the API may be started again in time
            except BrownoutError as error:
                self._lost = error.message
                return
            if found["id"] != self._known["id"]:
                self._lost = "something else undid it, and it was put in place again"

    def _ask(self, method: str, order: FaultShown | None = None) -> FaultShown:
        """The API's answer; raises the error of its problem document, WorldError where there is no answer."""
        parts = urlsplit(self._url)
        connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        body = None if order is None else json.dumps(order)
        try:
            connection.request(method, f"/faults/{quote(self.name, safe='')}", body, headers)
            answer = connection.getresponse()
            status, found = answer.status, json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            hint = "`brownout status` starts a fault API that was killed again"
            raise WorldError(f"the fault API at {self._url} does not answer: {error}", hint=hint) from error
        finally:
            connection.close()
        if status >= 400:
            raise _error(found, str(self._order["fault"]))
        return dict(found)


def _error(problem: FaultShown, kind: str) -> BrownoutError:
    """The error that a problem document tells."""
    message, hint = str(problem.get("detail", problem)), str(problem.get("hint", ""))
    match str(problem.get("type", "")).rpartition(":")[2]:
        case "not-proven" | "withdrawn":
            return NotProven(kind, message.removeprefix(f"{kind}: "))
        case "halted":
            return Halted(message)
        case "left-unsafe":
            return LeftUnsafe(message, hint=hint)
    return (UsageError if problem.get("exit_code") == UsageError.exit_code else WorldError)(message, hint=hint)


def _api(environment: Mapping[str, str]) -> tuple[str, str]:
    """URL and token: from `brownout env`, else of the stack that BROWNOUT_STACK names, else of ./stack.json."""
    if environment.get(URL) and environment.get(TOKEN):
        return environment[URL], environment[TOKEN]
    if stack := environment.get(STACK):
        folder = existing_stack_dir(stack)
        known = None if folder is None else read_fault_api(folder)
        if known is None:
            raise UsageError(f"stack {stack}, which {STACK} names, has no fault API", hint=HOW)
        return known.url, known.token
    try:
        found = json.loads(STACK_FILE.read_text(encoding="utf-8"))["faults"]
        return str(found["url"]), str(found["token"])
    except (OSError, ValueError, TypeError, KeyError):
        raise UsageError("no standing stack can be found", hint=HOW) from None
