"""What strangers can get of a stack, which is nothing: pages in a browser, and whoever reads folders, logs and processes."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from brownout.harness.worlds.control_plane import sign_in
from brownout.harness.worlds.processes.world import ProcessesWorld
from brownout.identity.azure.machine_secrets import endpoint_key, endpoint_secret
from brownout.identity.core.messages import Request
from support.brownout_command import FAULT_LINK, Brownout, small
from support.dashboard_browser import browser, browser_or_skip

pytestmark = pytest.mark.slow

NODE = "sydney.host"
SECRET_NAMES = re.compile(r"^export (\w*(?:TOKEN|SECRET|HEADER)\w*)=(\S+)$", re.MULTILINE)
# Each as a page may send it without asking first, and as one that asks. Whatever can be read of an answer is kept.
ATTEMPTS = """
window.told = [];
(async () => {
  const types = [undefined, "text/plain", "application/json"];
  for (const [method, url] of %s) for (const mode of ["no-cors", "cors"]) for (const type of types) {
    const body = method === "GET" ? undefined : "{}";
    const headers = type === undefined ? {} : {"content-type": type};
    try {
      const answer = await fetch(url, {method, mode, headers, body});
      window.told.push([method, url, answer.type, answer.status, await answer.text()]);
    } catch (failed) { window.told.push([method, url, "failed", 0, ""]); }
  }
  window.done = true;
})();
"""


class _Page(BaseHTTPRequestHandler):
    """An empty page of some site."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>somebody's</title>")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@contextmanager
def site() -> Iterator[str]:
    """A site of somebody else on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def post(url: str) -> int:
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10) as answer:
        return int(answer.status)


def toxics(toxiproxy: str) -> list[str]:
    """The toxics that are in place, as a program is told."""
    with urllib.request.urlopen(f"{toxiproxy}/proxies", timeout=10) as answer:
        return [toxic["name"] for proxy in json.load(answer).values() for toxic in proxy["toxics"]]


def holds(world: ProcessesWorld) -> str:
    answer = asyncio.run(world.control(NODE, Request("GET", "/admin/state")))
    assert answer.ok
    return json.dumps(answer.body["holds"])


def test_a_page_in_a_browser_can_drive_and_read_nothing(gameday: Brownout) -> None:
    """No control API, Toxiproxy's and the stack's own for faults neither, answers it or does what it asks; a program's does."""
    printed = gameday.run("env").stdout
    variables = dict(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
    toxiproxy, faults = variables["BROWNOUT_TOXIPROXY_URL"], variables["BROWNOUT_FAULTS_URL"]
    control = f"{gameday.world().endpoints().control[NODE]}/_brownout/admin"
    told = gameday.run("inject", "link-slow", "--target", FAULT_LINK, "--with", "latency=400ms", "--json")
    assert told.returncode == 0, told.stderr
    before = holds(gameday.world()), toxics(toxiproxy)
    assert before[1]
    attempts = [
        *(("GET", f"{control}/{path}") for path in ("state", "holds")),
        *((method, f"{control}/holds/f-page") for method in ("PUT", "POST", "DELETE")),
        *(("GET", f"{toxiproxy}/{path}") for path in ("proxies", "version")),
        *(("POST", f"{toxiproxy}/{path}") for path in ("reset", "proxies", "populate")),
        *(("GET", f"{faults}/{path}") for path in ("status", "faults", "openapi.json")),
        *(("POST", f"{faults}/{path}") for path in ("faults", "heal")),
        ("DELETE", f"{faults}/faults/{json.loads(told.stdout)['fault_id']}"),
    ]
    with site() as url, browser(browser_or_skip()) as page:
        page.open(url)
        page.wait_for('document.title === "somebody\'s"', within_s=30)
        page.evaluate(ATTEMPTS % json.dumps(attempts))
        page.wait_for("window.done", within_s=60)
        answers = page.evaluate("window.told")
    assert len(answers) == 6 * len(attempts)
    assert {(kind, status, text) for *_, kind, status, text in answers} <= {("opaque", 0, ""), ("failed", 0, "")}
    assert (holds(gameday.world()), toxics(toxiproxy)) == before
    assert post(f"{toxiproxy}/reset") == 204, "the control: this is what the page has asked for"
    assert toxics(toxiproxy) == []
    gameday.run("heal", "--all")


def readable_by_others(path: Path, below: Path) -> bool:
    """Whether another user gets to the file, whose folders up to `below` may be closed."""
    folders = [path, *(parent for parent in path.parents if parent.is_relative_to(below))]
    return all(stat.S_IMODE(each.stat().st_mode) & 0o077 for each in folders)


def strangers_with(secrets: Iterable[str]) -> dict[int, str]:
    """The processes of this machine, by pid, that have one of these secrets in their environment, each with its program."""
    found: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes()
            if any(secret.encode() in variables for secret in secrets):
                found[int(process.name)] = re.sub(r"[\d.]+$", "", (process / "comm").read_text().strip())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


@contextmanager
def a_client_with(secrets: Iterable[str]) -> Iterator[int]:
    """The pid of a process that was given the secrets as variables, as `env` is meant to be used."""
    given = {f"GIVEN_{n}": secret for n, secret in enumerate(secrets)}
    program = "import sys; print('here', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"here\n"
        yield client.pid
        client.communicate()


def test_no_secret_of_a_stack_is_on_a_command_line_or_for_others_to_read(gameday: Brownout) -> None:
    """What `env` tells a client is in no process's arguments or environment, in no log, and in the owner's own files alone."""
    secrets: set[str] = set()
    ways = ("imds", "app-service", "vm-extension", "service-fabric", "arc", "cloud-shell", "workload-identity")
    for options in ([], ["--application"], *(["--machine", "batch", "--endpoint", way] for way in ways)):
        told = gameday.run("env", *options)
        assert told.returncode == 0, told.stderr
        secrets |= {value.strip("'") for _, value in SECRET_NAMES.findall(told.stdout)}
        secrets |= set(re.findall(r"^export AWS_SECRET_ACCESS_KEY=(\S+)$", told.stdout, re.MULTILINE))
    secrets = {value for value in secrets if not value.startswith(("/", "http"))}
    assert len(secrets) == 6, (
        "the control token, the fault API's, a key of AWS's, the application's and those of two kinds of endpoints"
    )
    lines = gameday.processes()
    assert len(lines) > 15
    assert [line for line in lines.values() if any(secret in line for secret in secrets)] == []
    assert strangers_with(secrets) == {}
    with a_client_with(secrets) as client:
        assert strangers_with(secrets) == {client: "python"}, "the control: a process that was given them is found"
    for path in gameday.home.rglob("*"):
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in secrets):
            assert path.suffix != ".log", path
            assert not readable_by_others(path, gameday.home), path


def test_no_secret_of_a_run_outlives_it(brownout: Brownout) -> None:
    """When a run has ended, its folder and the state folder have none of what its clients and machines signed in with."""
    both = {"vendors": ["azure", "aws"]}
    started = brownout.start("run", str(small(brownout.work, stack=both)), "--out", "runs")
    started.wait_for("cut: bitten")
    world = brownout.world()
    token = world.spec.control_token
    login = asyncio.run(sign_in(world, console=["callers"]))
    keys = [key.secret_access_key for key in login.access_keys.values()]
    people = [secret for user in login.console_users.values() for secret in (user.password, user.mfa_seed, user.security_key)]
    machines = [endpoint_key(token, "app-service"), endpoint_secret(token, "app-service", "web-1")]
    secrets = [token, login.user_token, *keys, *people, *machines]
    assert len(keys) == 2
    assert all(len(secret) > 15 for secret in secrets)
    assert strangers_with(secrets) == {}, "of the run's own processes too: each reads what it needs from a file of the owner's"
    alive = [path for path in brownout.home.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert alive, "the control: while the run is on, its token is found"
    started.end()
    for folder in (brownout.home, brownout.work):
        for path in folder.rglob("*"):
            if path.is_file():
                found = path.read_bytes()
                assert not any(secret.encode() in found for secret in secrets), path
