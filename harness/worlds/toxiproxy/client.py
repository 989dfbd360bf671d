"""Toxiproxy as a carrier of holds: the only file that knows its client library, its API and its server process.

Theory. Each proxy stores the set of holds on it, as markers (brownout.harness.worlds.toxiproxy.holds has the encoding and the
meaning of each effect). A marker is written before its effect and removed after it. So after a crash at any point every
effect still has its marker, and releasing that id again completes the change.

Two processes may change one proxy at once (a runner and the guardian). A file lock separates their changes. The wait for it
is short, because a runner that was paused in the middle of a change must not keep a guardian from reverting. As the lock may
be missing, each change also repeats "read, compute the effects, write" until a read shows that markers and effects agree.

Each change that puts an effect on asks for permission right before (base/permission.py): of a process that was paused in an
apply, nothing arrives after its guardian has reverted it.

Toxics with other names, and a proxy disabled without a `refuse` marker, are foreign: reported, never touched.
How the server and its Python client behave: docs/reference/toxiproxy.md.

The library (toxiproxy-python) has one host and port for the whole process, has no time-outs, obeys proxy
variables, ignores 5xx and cannot PATCH or populate in one request. Here its calls go one at a time with the address set
anew. Its `requests` is replaced by a guarded one, which also makes the requests that the library cannot.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import toxiproxy
import toxiproxy.api

from brownout.harness.base.files import FileLock
from brownout.harness.base.permission import require_permission
from brownout.harness.base.statedir import state_dir
from brownout.harness.effects import LinkEffect, is_refused
from brownout.harness.errors import StateFolderError, WorldError
from brownout.harness.worlds.server_process import ServerProcess, await_listening, check_port_free, spawn, stop_server
from brownout.harness.worlds.toxiproxy.answers import ToxiproxyError, require_answer
from brownout.harness.worlds.toxiproxy.holds import (
    FAULT_ID,
    MARKER,
    Seen,
    Toxic,
    hidden_resets,
    is_effect_name,
    marker_of,
    parse_marker,
    wanted_toxics,
)

__all__ = ["ServerProcess", "Toxiproxy", "ToxiproxyError", "start_server", "stop_server"]

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0
TURN_TIMEOUT_S = 3.0
START_TIMEOUT_S = 10.0
_CONVERGE_ATTEMPTS = 8
_PROXY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._>-]*")
_library_lock = threading.RLock()


class _GuardedRequests:
    """Stands in for `requests` inside the library: time-outs, no proxy variables, an exception for every failure.

    A session for each call: one kept over a fork would share its sockets between two processes.
    """

    def get(self, url: str, **options: Any) -> requests.Response:
        return self._send("GET", url, **options)

    def post(self, url: str, **options: Any) -> requests.Response:
        return self._send("POST", url, **options)

    def patch(self, url: str, **options: Any) -> requests.Response:
        return self._send("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> requests.Response:
        return self._send("DELETE", url, **options)

    @staticmethod
    def _send(method: str, url: str, **options: Any) -> requests.Response:
        limits = (CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S)
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.request(method, url, timeout=limits, allow_redirects=False, **options)
            except requests.Timeout as failed:
                raise _no_answer(method, url, "did not answer in time") from failed
            except (requests.RequestException, ValueError) as failed:  # ValueError: what it sent is no HTTP
                raise _no_answer(method, url, "cannot be reached") from failed
        require_answer(method, url, answer.status_code, answer.content)
        return answer


_calls = _GuardedRequests()
toxiproxy.api.requests = _calls


def _no_answer(method: str, url: str, problem: str) -> ToxiproxyError:
    parts = urlsplit(url)
    return ToxiproxyError(
        f"Toxiproxy at {parts.netloc} {problem} ({method} {parts.path})",
        hint="`brownout status` tells whether the stack's Toxiproxy still runs",
    )


def _owned_by_all(name: str) -> AbstractContextManager[None]:
    return nullcontext()


class Toxiproxy:
    """One Toxiproxy server. Every method raises WorldError when the server refuses or does not answer.

    Safe to use from several threads and several processes at once. Each request to the server takes at most 2 s to
    connect and 5 s to be answered; a method makes a bounded number of them. `lent` is a context in which the server may bind
    the port of that proxy, where another process keeps it while the proxy is disabled.
    """

    def __init__(self, api_url: str, *, lent: Callable[[str], AbstractContextManager[None]] = _owned_by_all) -> None:
        parts = urlsplit(api_url)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise WorldError(f"{api_url!r} is not the address of a Toxiproxy API", hint="like http://127.0.0.1:8474")
        self.api_url = f"http://{parts.netloc}"
        self._lent = lent
        self._host, self._port = parts.hostname, parts.port

    def version(self) -> str:
        """The server's version."""
        with self._library():
            return str(toxiproxy.api.APIConsumer.get("/version").json()["version"])

    def wait_ready(self, timeout_s: float) -> None:
        """Returns when the API answers; raises when it has not done so after `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                self.version()
            except ToxiproxyError:
                if time.monotonic() >= deadline_s:
                    raise
                time.sleep(0.01)  # the server has no event for being ready: polled until the deadline
            else:
                return

    def names(self) -> tuple[str, ...]:
        """All proxies of the server, ordered."""
        with self._library() as server:
            return tuple(sorted(server.proxies()))

    def create(self, name: str, listen: str, upstream: str) -> str:
        """Makes an enabled proxy and returns the address it listens on (port 0 means any free one)."""
        return self.create_many({name: (listen, upstream)})[name]

    def create_many(self, wanted: Mapping[str, tuple[str, str]]) -> Mapping[str, str]:
        """Makes proxies (name to `(listen, upstream)`) in one request, all or none; returns where each listens."""
        for name in wanted:
            _check_name(name, _PROXY_NAME)
        if not wanted:
            return {}
        rows = [{"name": n, "listen": at, "upstream": to, "enabled": True} for n, (at, to) in wanted.items()]
        with self._library() as server:
            if known := sorted(wanted.keys() & server.proxies().keys()):
                raise ToxiproxyError(f"Toxiproxy at {self._where} already has {', '.join(known)}", status=409)
            try:
                _calls.post(self.api_url + "/populate", json=rows)
                made = server.proxies()
                return {name: self._made(made.get(name), name, upstream) for name, (_, upstream) in wanted.items()}
            except ToxiproxyError:
                self._destroy_all(server, wanted)
                raise

    def hold(self, name: str, fault_id: str, effect: LinkEffect) -> Mapping[str, Any]:
        """Puts the proxy under a hold, replacing an older one of the same id; returns what `read` then shows.

        Raises WorldError for an effect that toxics cannot have.
        """
        marker = marker_of(fault_id, effect)
        _check_name(fault_id, FAULT_ID)
        with self._turn(), self._library():
            seen = self._see(name)
            was_refused = is_refused(seen.holds().values())
            outdated = seen.markers_of(fault_id) - {marker}
            if marker not in seen.markers:  # the marker first: from here on a crash leaves something that a release finds
                _add(name, marker, MARKER)
            # Replacing: reach the new effects while the old marker still exists, and only then remove it.
            if outdated:
                self._converge(name, was_refused=was_refused, ignoring=outdated)
                for marker in outdated:
                    _remove(name, marker)
            seen = self._converge(name, was_refused=was_refused)
            if seen.holds().get(fault_id) != effect:
                raise ToxiproxyError(f"link {name} lost the hold {fault_id} while it was being put on")
            return seen.report()

    def release(self, name: str, fault_id: str) -> None:
        """Takes a hold away; an id that the proxy does not have is success. Other holds stay in force."""
        _check_name(fault_id, FAULT_ID)
        with self._turn(), self._library():
            seen = self._see(name)
            was_refused = is_refused(seen.holds().values())
            markers = seen.markers_of(fault_id)
            if not markers:
                return
            self._converge(name, was_refused=was_refused, ignoring=markers)
            for marker in markers:
                _remove(name, marker)
            seen = self._converge(name, was_refused=was_refused)
            if seen.markers_of(fault_id):
                raise ToxiproxyError(f"link {name} still has the hold {fault_id} after its release")

    def read(self, name: str) -> Mapping[str, Any]:
        """`enabled`, `listen`, `upstream`, `holds` (state by fault id) and `foreign` (what others did)."""
        return self._see(name).report()

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Takes the lock for changes of links; after TURN_TIMEOUT_S, or without a place for it, the block runs without it."""
        with ExitStack() as held:
            with suppress(OSError, StateFolderError):  # a full or read-only disk must not keep a hold from being released
                folder = state_dir() / "locks"
                folder.mkdir(exist_ok=True)
                lock = held.enter_context(FileLock(folder / f"toxiproxy-{self._host}-{self._port}"))
                lock.take(patience_s=TURN_TIMEOUT_S)
            yield

    @contextmanager
    def _library(self) -> Iterator[Any]:
        """The library, pointed at this server for as long as the block lasts."""
        with _library_lock:
            server = toxiproxy.Toxiproxy()
            server.update_api_consumer(self._host, self._port)
            yield server

    def _made(self, proxy: Any, name: str, upstream: str) -> str:
        if proxy is None or not proxy.enabled or proxy.upstream != upstream:
            raise ToxiproxyError(f"Toxiproxy at {self._where} did not make the proxy {name} as asked")
        return str(proxy.listen)

    def _destroy_all(self, server: Any, names: Mapping[str, object]) -> None:
        for name, proxy in server.proxies().items():
            if name in names:
                server.destroy(proxy)

    def _see(self, name: str) -> Seen:
        """The proxy with its toxics, in one request (the library would fetch every proxy, then the toxics)."""
        try:
            proxy = _calls.get(f"{self.api_url}/proxies/{quote(name, safe='')}").json()
        except ToxiproxyError as failed:
            if failed.status != 404:
                raise
            raise ToxiproxyError(f"Toxiproxy at {self._where} has no proxy {name}", status=404) from failed
        return _seen(proxy)

    def survey(self) -> Mapping[str, Seen]:
        """Every proxy of the server by name, in one request."""
        found = _calls.get(f"{self.api_url}/proxies").json()
        return {name: _seen(proxy) for name, proxy in sorted(found.items())}

    def _converge(self, name: str, *, was_refused: bool, ignoring: frozenset[str] = frozenset()) -> Seen:
        """Changes the toxics to those that the proxy's markers, less `ignoring`, ask for; returns the read that shows it.

        `was_refused`: whether the proxy had a `refuse` marker before the change. Raises ToxiproxyError when another process
        keeps changing the proxy.
        """
        for _ in range(_CONVERGE_ATTEMPTS):
            # Never trust the last write: another process may have written since. Only a read in full agreement ends the loop.
            seen = self._see(name)
            holds = seen.holds(ignoring=ignoring)
            wanted, refuse = wanted_toxics(holds), is_refused(holds.values())
            # A disabled proxy is enabled only if a `refuse` of ours disabled it; else another program did.
            enabled = False if refuse else seen.enabled or was_refused or is_refused(seen.holds().values())
            if (wanted, enabled) == (seen.toxics, seen.enabled) and not hidden_resets(tuple(seen.toxics)):
                return seen
            self._change(name, seen.toxics, wanted)
            if enabled != seen.enabled:
                require_permission()
                self._switch(name, enabled=enabled)
        raise ToxiproxyError(f"link {name} did not reach the state of its holds in {_CONVERGE_ATTEMPTS} attempts")

    def _switch(self, name: str, *, enabled: bool) -> None:
        if not enabled:
            _handle(name).disable()
            return
        with self._lent(name):
            _handle(name).enable()

    def _change(self, name: str, present: Mapping[str, Toxic], wanted: Mapping[str, Toxic]) -> None:
        """Adds before it removes, so that no byte passes while one effect replaces another."""
        for toxic, asked in wanted.items():
            if toxic not in present:
                _add(name, toxic, asked)
            elif present[toxic] != asked:
                require_permission()
                path = f"/proxies/{quote(name, safe='')}/toxics/{quote(toxic, safe='')}"
                _calls.patch(self.api_url + path, json={"attributes": dict(asked.attributes)})
        # Toxiproxy runs toxics in the order of their creation. A stall that was there before a reset swallows the bytes that
        # should trigger the reset. It is removed here; the next round of `_converge` adds it again, behind the reset.
        in_order = (*present, *(toxic for toxic in wanted if toxic not in present))
        for toxic in (*(toxic for toxic in present if toxic not in wanted), *hidden_resets(in_order)):
            _remove(name, toxic)


def _seen(proxy: Mapping[str, Any]) -> Seen:
    """A proxy as the server shows it."""
    markers: dict[str, tuple[str, LinkEffect]] = {}
    toxics: dict[str, Toxic] = {}
    foreign: list[str] = []
    for toxic in proxy["toxics"]:
        name, kind, stream = toxic["name"], toxic["type"], toxic["stream"]
        marker = parse_marker(name) if kind == MARKER.type else None
        if marker is not None:
            markers[name] = marker
        elif is_effect_name(name):
            toxics[name] = Toxic(stream, kind, tuple(sorted(toxic["attributes"].items())))
        else:
            foreign.append(f"toxic {name} ({kind}, {stream})")
    return Seen(bool(proxy["enabled"]), proxy["listen"], proxy["upstream"], markers, toxics, tuple(sorted(foreign)))


def _handle(name: str) -> Any:
    """The library's object for a proxy, made from the name, which is all that its methods use."""
    return toxiproxy.Proxy(name=name, upstream="", listen="", enabled=True)


def _add(name: str, toxic: str, asked: Toxic) -> None:
    attributes = dict(asked.attributes)
    require_permission()
    try:
        _handle(name).add_toxic(name=toxic, type=asked.type, stream=asked.stream, attributes=attributes)
    except ToxiproxyError as failed:
        if failed.status != 409:  # 409: another process has added it; the read that follows decides
            raise


def _remove(name: str, toxic: str) -> None:
    try:
        _handle(name).destroy_toxic(toxic)
    except ToxiproxyError as failed:
        if failed.status != 404:  # 404: removed already; if it is the proxy that is missing, the read that follows shows it
            raise


def _check_name(name: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(name):
        raise WorldError(f"{name!r} cannot be used as a name in Toxiproxy", hint="letters, digits, dots and dashes")


def start_server(binary: Path, *, port: int, log: Path) -> ServerProcess:
    """Starts a server on loopback in a session of its own (it outlives its starter) and returns when its API answers.

    Raises WorldError, leaving no process behind, when the port is taken, the program fails or nothing answers in 10 s.
    """
    check_port_free(port)
    client = Toxiproxy(f"http://127.0.0.1:{port}")
    command = (str(binary), "-host", "127.0.0.1", "-port", str(port))
    # At its usual level it logs every connection of the load, at "warn" every enabling of a proxy.
    server = spawn(command, api_url=client.api_url, log=log, environment={**os.environ, "LOG_LEVEL": "error"})
    try:
        await_listening(server, port, timeout_s=START_TIMEOUT_S, log=log)
        client.wait_ready(START_TIMEOUT_S)
    except BaseException:
        stop_server(server)
        raise
    return server
