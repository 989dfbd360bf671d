"""The fault API of a real stack over the network: as part of `up`, as OpenAPI's tools see it, killed, gone with the stack."""

from __future__ import annotations

import concurrent.futures
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from brownout.harness.operate.api_process.record import FaultApi, read_fault_api
from support.brownout_command import Brownout, eventually
from support.registry_packages import environment_with

pytestmark = pytest.mark.slow
CUT = {"fault": "link-refuse", "target": "client->sydney.host"}


@dataclass(frozen=True)
class Client:
    """A program that knows the stack file and nothing else."""

    url: str
    token: str

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.request(method, self.url + path, json=body, headers=headers, timeout=30)


def record(gameday: Brownout) -> FaultApi:
    (row,) = gameday.stacks()
    found = read_fault_api(row.folder)
    assert found is not None
    return found


def told(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture
def client(gameday: Brownout) -> Iterator[Client]:
    """Nothing is in place before a test and after it."""
    known = json.loads((gameday.work / "stack.json").read_text(encoding="utf-8"))["faults"]
    made = Client(known["url"], known["token"])
    yield made
    made.ask("DELETE", "/faults")
    assert gameday.open_faults() == []


def test_a_fault_bites_and_is_shown_by_the_command_line(gameday: Brownout, client: Client) -> None:
    """`brownout status` shows a fault that came over HTTP, `brownout heal` undoes it, and the API then says so."""
    put = client.ask("PUT", "/faults/cut", CUT)
    assert (put.status_code, put.json()["state"]) == (201, "bitten"), put.text
    (stack,) = json.loads(gameday.run("status", "--json").stdout)["stacks"]
    assert [fault["id"] for fault in stack["faults"]] == [put.json()["id"]]
    assert gameday.run("heal", put.json()["id"]).returncode == 0
    assert client.ask("GET", "/faults/cut").json()["state"] == "healed"


def test_many_clients_at_once(gameday: Brownout, client: Client) -> None:
    """Equal orders of many connections become one fault; each delete is answered once it is healed."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.ask("PUT", "/faults/cut", CUT).status_code, range(8)))
        assert sorted(answers) == [200] * 7 + [201]
        names = ("sydney.token.z1", "sydney.token.z2", "melbourne.token.z1")
        nodes = [{"fault": "node-pause", "target": name, "at_once": {"nodes_down": 0.5}} for name in names]
        put = list(pool.map(lambda order: client.ask("PUT", f"/faults/{order['target']}", order), nodes))
        assert [each.status_code for each in put] == [201] * 3, [each.text for each in put]
        healed = list(pool.map(lambda name: client.ask("DELETE", f"/faults/{name}").json()["state"], (*names, "cut")))
    assert set(healed) <= {"healed", "reverted"}
    assert gameday.open_faults() == []


def test_the_status_is_that_of_the_stack(gameday: Brownout, client: Client) -> None:
    """All nodes, and the reason of a halt while there is one."""
    status = client.ask("GET", "/status").json()
    assert (status["halted"], status["stack"]["state"], len(status["stack"]["nodes"])) == (None, "up", 17)
    assert gameday.run("halt", "--reason", "enough").returncode == 0
    try:
        assert "enough" in client.ask("GET", "/status").json()["halted"]
        assert client.ask("PUT", "/faults/cut", CUT).status_code == 423
    finally:
        gameday.run("halt", "--lift")


def test_one_that_was_killed_is_started_again(gameday: Brownout, client: Client) -> None:
    """The fault that it put in place stays until its lease ends; the next command brings the API back where it was."""
    client.ask("PUT", "/faults/cut", CUT)
    before = record(gameday)
    os.kill(before.process.pid, signal.SIGKILL)
    eventually(lambda: not before.process.alive(), 5, what="it ended")
    told = gameday.run("status")
    assert "was started again" in told.stderr, told.stderr
    after = record(gameday)
    assert (after.url, after.token, after.process != before.process) == (before.url, before.token, True)
    assert client.ask("GET", "/faults/cut").json()["state"] == "bitten"


def test_the_document_is_openapi_and_holds_what_is_said(client: Client, tmp_path: Path) -> None:
    """A validator accepts it, and hundreds of requests made of it find no answer that it does not have, and no failure."""
    tools = environment_with(tmp_path / "tools", "openapi-spec-validator", "schemathesis")
    document = tmp_path / "openapi.json"
    document.write_text(client.ask("GET", "/openapi.json").text, encoding="utf-8")
    checked = subprocess.run(
        [tools / "openapi-spec-validator", document], capture_output=True, text=True, timeout=120, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    names = json.loads(document.read_text(encoding="utf-8"))["components"]["schemas"]["Order"]["discriminator"]["mapping"]
    assert len(names) > 50
    command = [
        tools / "schemathesis",
        "run",
        document,
        "--url",
        client.url,
        "--header",
        f"Authorization: Bearer {client.token}",
    ]
    command += ["--max-examples", "5", "--seed", "1", "--phases", "examples,coverage,fuzzing", "--workers", "1", "--no-color"]
    command += ["--exclude-checks", "positive_data_acceptance"]  # a fault that fits the schema may not fit this stack
    command += ["--exclude-operation-id", "getStatus"]  # each answer takes the probes of a whole stack
    fuzzed = told(tmp_path, *command)
    assert fuzzed.returncode == 0, fuzzed.stdout[-6000:]


def test_it_ends_with_the_stack(gameday: Brownout) -> None:
    """After `down` no process of it is left and nothing listens; the last test of this stack."""
    before = record(gameday)
    assert before.process.alive()
    assert gameday.run("down").returncode == 0
    assert not before.process.alive()
    with pytest.raises(httpx.ConnectError):
        Client(before.url, before.token).ask("GET", "/faults")
    assert gameday.processes() == {}
