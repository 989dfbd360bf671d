"""`brownout exec`: unmodified clients on a machine, with nothing set, and nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.base.processes import await_true
from brownout.suites.clients.programs.others import TOOLS
from support.brownout_command import PROGRAM, Brownout, make_brownout
from support.docs_pages import DOCS, blocks, pasted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        subprocess.run(["unshare", "--user", "--net", "true"], capture_output=True, check=False).returncode != 0
        if shutil.which("unshare")
        else True,
        reason="no network namespace can be made here",
    ),
]

LITERAL = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
SDKS = """
import asyncio, json, logging, sys
from azure.identity import DefaultAzureCredential
from azure.identity.aio import DefaultAzureCredential as AsyncCredential

seen = []
class Counting(logging.Handler):
    def emit(self, record):
        text = record.getMessage()
        if text.startswith("Request URL"):
            seen.append("Metadata" in text)
logger = logging.getLogger("azure.core.pipeline.policies.http_logging_policy")
logger.setLevel(logging.INFO)
logger.addHandler(Counting())

async def main():
    async with AsyncCredential() as credential:
        return (await credential.get_token("https://vault.azure.net/.default")).token

sync, counted = DefaultAzureCredential().get_token("https://vault.azure.net/.default").token, list(seen)
seen.clear()
same = asyncio.run(main())
import boto3
keys = boto3.Session().get_credentials()
print(json.dumps([bool(sync), counted, bool(same), list(seen), keys.method]))
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brownout]:
    """A stack of both vendors."""
    command = make_brownout(tmp_path_factory.mktemp("exec"))
    told = command.run("up")
    assert told.returncode == 0, told.stderr
    yield command
    command.run("down", "--all")
    command.kill_everything()


def on_machine(up: Brownout, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return up.run("exec", "--machine", "web-1", *options, "--", *command)


def test_the_documented_url_gives_a_token(up: Brownout) -> None:
    """As documentation has it, with curl or any other client."""
    read = "import sys, urllib.request as u; print(u.urlopen(u.Request(sys.argv[1], headers={'Metadata': 'true'})).read())"
    told = on_machine(up, sys.executable, "-c", read.replace(".read()", ".read().decode()"), LITERAL)
    assert json.loads(told.stdout)["token_type"] == "Bearer", told.stderr


def test_sdks_get_their_credentials_with_an_empty_environment(up: Brownout) -> None:
    """DefaultAzureCredential, sync and async, probes without `Metadata` and then asks; boto3 finds the machine's role."""
    told = on_machine(up, "env", "-i", sys.executable, "-c", SDKS)
    assert json.loads(told.stdout) == [True, [False, True], True, [False, True], "iam-role"], told.stderr


def printed(up: Brownout, mark: str, **more: str) -> str:
    """What a block of the page on clients of Azure prints, in a shell that is in the stack's folder."""
    (block,) = (block for block in blocks(DOCS / "azure.md", "sh") if block.mark == mark)
    return pasted(block.text, up.variables({"PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}", **more}), up.work)


def test_azidentity_for_go_gets_its_token(up: Brownout) -> None:
    """As the page has it. It is built of what Go has in its cache: a test downloads no SDK."""
    if not shutil.which("go"):
        pytest.skip("there is no go")
    (program,) = blocks(DOCS / "azure.md", "go")
    (up.work / "main.go").write_text(program.text, encoding="utf-8")
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    told = printed(up, "with Go", GOPROXY=f"file://{cache}/cache/download", GONOSUMDB="*", GOFLAGS="-mod=mod")
    if not (up.work / "printed").is_file():
        assert "syntax error" not in told, told
        pytest.skip(f"go has no SDK of Azure's in its cache: {told[-200:]}")
    name, length = told.splitlines()[-1].split()
    assert (name, int(length) > 500) == ("go", True), told


def test_the_azure_cli_logs_in_with_the_machines_identity(up: Brownout) -> None:
    """As the page has it: it finds the stack's subscription, and gets a token. A test does not install it."""
    az = shutil.which("az") or shutil.which(TOOLS / "az" / "venv" / "bin" / "az")
    if az is None:
        pytest.skip("there is no Azure CLI")
    own = {"AZURE_CONFIG_DIR": str(up.work / "azure"), "AZURE_CORE_COLLECT_TELEMETRY": "no"}
    path = os.pathsep.join((str(PROGRAM.parent), str(Path(az).parent), os.environ["PATH"]))
    told = printed(up, "with the Azure CLI", **own, PATH=path)
    assert told.split() == ["Brownout", "Bearer"], told


def test_variables_of_an_earlier_eval_lead_nowhere(up: Brownout) -> None:
    """They are not there on the machine; others are."""
    names = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "AWS_ACCESS_KEY_ID", "https_proxy", "KEPT")
    told = up.run("exec", "--machine", "web-1", "env", **dict.fromkeys(names, "x"))
    seen = {line.partition("=")[0] for line in told.stdout.splitlines()}
    assert seen & set(names) == {"KEPT"}


def test_no_other_network_can_be_reached(up: Brownout) -> None:
    """Neither the internet nor what listens on the machine's own loopback."""
    url = json.loads((up.work / "stack.json").read_text())["toxiproxy_url"]
    dial = "import socket, sys; print(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))) != 0)"
    for host, port in (("1.1.1.1", "80"), ("127.0.0.1", url.rpartition(":")[2])):
        told = on_machine(up, sys.executable, "-c", dial, host, port)
        assert told.stdout == "True\n", told.stderr


def test_names_lead_into_the_stack(up: Brownout) -> None:
    """Each to its role, verified with the stack's authority; without --names there are none."""
    ask = "import requests, sys; print(requests.get(sys.argv[1], timeout=20).status_code)"
    for url, status in (
        ("https://login.microsoftonline.com/common/discovery/v2.0/keys", "200"),
        ("https://management.azure.com/subscriptions?api-version=2022-12-01", "401"),
        ("https://brownout-melbourne.vault.azure.net/secrets/x?api-version=7.4", "401"),
    ):
        told = on_machine(up, sys.executable, "-c", ask, url, options=("--names",))
        assert told.stdout.split() == [status], told.stderr
    assert "requests.exceptions.ConnectionError" in on_machine(up, sys.executable, "-c", ask, url).stderr


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("nosuch-program", 127)]
)
def test_the_end_of_the_command_is_the_end_of_exec(up: Brownout, script: str, code: int) -> None:
    """Its exit code, or 128 and the signal."""
    assert on_machine(up, "sh", "-c", script).returncode == code


def test_what_is_no_program_is_said(up: Brownout) -> None:
    """With the codes of shells."""
    told = on_machine(up, "no-such-program")
    assert (told.returncode, told.stderr) == (127, "brownout: no-such-program: No such file or directory\n")
    assert on_machine(up, str(up.work)).returncode == 126


def test_a_machine_that_there_is_not_is_refused(up: Brownout) -> None:
    """Before anything runs."""
    told = up.run("exec", "--machine", "web-9", "--", "true")
    assert (told.returncode, "no machine 'web-9'" in told.stderr) == (2, True)


def test_a_user_who_may_make_no_network_is_told_what_to_do(up: Brownout) -> None:
    """Here one in a user namespace that may have none; the command does not run."""
    script = 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$0" exec --machine web-1 -- echo ran'
    inside = ["unshare", "--user", "--map-root-user", "sh", "-c", script, str(PROGRAM)]
    told = subprocess.run(inside, cwd=up.work, env=up.variables({}), capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (2, "")
    assert "brownout env --machine" in told.stderr


def begin(up: Brownout, script: str) -> subprocess.Popen[str]:
    """A command on the machine that has begun: it says so in a line."""
    started = subprocess.Popen(
        [str(PROGRAM), "exec", "--machine", "web-1", "--stack-file", str(up.work / "stack.json"), "sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=up.variables({}),
        start_new_session=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "begun\n"
    return started


def sleepers(seconds: str) -> list[str]:
    """The living processes that sleep so long."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", seconds.encode()]:
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize("level", [0, 1, 2])
def test_whichever_process_is_killed_nothing_is_left(up: Brownout, level: int) -> None:
    """`kill -9` of exec or of either process below it takes the command and what it left in the background."""
    seconds = f"70{level}.{os.getpid()}"
    with begin(up, f"setsid sleep {seconds} & echo begun; sleep {seconds}") as started:
        assert await_true(lambda: len(sleepers(seconds)) == 2, 20)
        victim = started.pid
        for _ in range(level):
            victim = int(Path(f"/proc/{victim}/task/{victim}/children").read_text().split()[0])
        os.kill(victim, signal.SIGKILL)
        assert started.wait(20) != 0
    assert await_true(lambda: not sleepers(seconds), 20)


def test_what_the_command_left_in_the_background_ends_with_it(up: Brownout) -> None:
    """A daemon does not outlive the machine's network."""
    seconds = f"801.{os.getpid()}"
    with begin(up, f"setsid sleep {seconds} & echo begun") as started:
        assert started.wait(20) == 0
    assert await_true(lambda: not sleepers(seconds), 20)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_the_commands(up: Brownout, number: signal.Signals) -> None:
    """It may handle them, and its exit code is what counts."""
    with begin(up, f"trap 'exit 42' {number.name[3:]}; echo begun; while :; do sleep 0.05; done") as started:
        started.send_signal(number)
        assert started.wait(20) == 42


def test_a_terminal_is_the_commands(up: Brownout) -> None:
    """It sees a terminal, and an interrupt typed there reaches it once."""
    script = "test -t 0 && echo terminal; trap 'echo caught; exit 5' INT; while :; do sleep 0.05; done"
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = ["exec", "--machine", "web-1", "--stack-file", str(up.work / "stack.json"), "sh", "-c", script]
        os.execve(PROGRAM, [str(PROGRAM), *arguments], up.variables({}))
    said = b""
    while b"terminal" not in said:
        said += os.read(terminal, 1024)
    time.sleep(0.2)  # until the shell has set its trap
    os.write(terminal, b"\x03")
    while True:
        try:
            said += os.read(terminal, 1024)
        except OSError:
            break
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 5
    assert said.count(b"caught") == 1
