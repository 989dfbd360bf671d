"""Unmodified azure-identity on every kind of host behaves as it does on the real one, and breaks on flawed answers as there.

The figures are golden (docs/reference/real-clients.md): requests, waits, and the class of the error. Each case is a process
of its own on a machine of its own, with the variables that `brownout env` prints; some run at once, ten times faster.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brownout.harness.base.processes import await_true
from brownout.harness.client_env.machine_endpoints import NAMES
from brownout.harness.client_env.shell_variables import exports
from brownout.harness.client_env.stack_file import StackFile, make_stack_file
from brownout.harness.effects import SwitchThrow
from brownout.identity.azure.machine_secrets import ARC_TOKENS, arc_key_file, endpoint_key, endpoint_secret
from brownout.suites.clients.programs.acquisition import Acquisition
from brownout.suites.clients.programs.python_cases import ClientStep, PythonCase, read_story, start
from support.carriers import switch
from support.server_stacks import Stack

pytestmark = pytest.mark.slow

PACE = 10
PATIENCE_S = 120.0
AT_ONCE = 12  # a host that more clients ask at once than it can serve answers some of them with a 5xx
CUE, CAE, JSON_ERROR = "CredentialUnavailableError", "ClientAuthenticationError", "JSONDecodeError"
TOKEN = "token"
DATE = {
    "access_token": "a",
    "expires_on": "06/20/2039 02:57:58 +00:00",
    "resource": "https://vault.azure.net",
    "token_type": "Bearer",
}
EARLY = {"access_token": "a", "expires_in": "86399", "expires_on": "2192226000", "resource": "https://vault.azure.net"}


@dataclass(frozen=True, slots=True)
class Case:
    """What a client meets on one kind of host, and what comes of it: each call's outcome, requests, seconds that it waits."""

    endpoint: str
    client: str
    outcomes: tuple[str, ...]
    requests: int
    waited_s: float = 0.0
    answer: Mapping[str, Any] | None = None
    changed: Mapping[str, str] | None = None  # variables in place of those of `brownout env`

    @property
    def name(self) -> str:
        said = "-".join(f"{value}" for key, value in (self.answer or {}).items() if key in ("status", "flaw"))
        wrong = "".join(f"-wrong-{name}" for name in self.changed or ())
        return f"{self.endpoint}-{self.client}-{said or 'ok'}{wrong}{'-body' if 'body' in (self.answer or {}) else ''}"


def both(endpoint: str, outcomes: tuple[str, ...], requests: int, waited_s: float = 0.0, **more: Any) -> list[Case]:
    """The same of the sync and the async client; `outcomes` are the first's error and the second's, or a token of both."""
    sync, other = outcomes if len(outcomes) == 2 else outcomes * 2
    return [
        Case(endpoint, "sync", (sync,), requests, waited_s, **more),
        Case(endpoint, "async", (other,), requests, waited_s, **more),
    ]


HOSTS = ("app-service", "app-service-2017", "cloud-shell", "vm-extension", "service-fabric")
RETRYING = ("app-service", "app-service-2017")  # sync and async alike, with the SDKs' default retries: 4 requests in 4.9 s
CASES = (
    # healthy: one request, and two to the Arc agent; a second call asks nobody
    *(Case(host, client, (TOKEN, TOKEN), 1) for host in HOSTS for client in ("sync", "async")),
    *(Case("arc", client, (TOKEN, TOKEN), 2) for client in ("sync", "async")),
    # an error that is retried, and one that is not
    *(case for host in RETRYING for case in both(host, (CUE, CAE), 4, 4.8, answer={"status": 500})),
    *(case for host in RETRYING for case in both(host, (CUE, CAE), 1, answer={"status": 404})),
    *(case for host in RETRYING for case in both(host, (CUE, CAE), 1, answer={"status": 410})),
    *both("cloud-shell", (CAE, CAE), 4, 4.8, answer={"status": 500}),
    *both("cloud-shell", (CAE, CAE), 1, answer={"status": 410}),
    *both("arc", (CUE, CAE), 4, 4.8, answer={"status": 500}),
    Case("service-fabric", "sync", (CUE,), 1, answer={"status": 500}),
    Case("service-fabric", "async", (CAE,), 4, 4.8, answer={"status": 500}),
    # refusals of each host, of requests that real clients send
    *both("app-service", (CUE, CAE), 1, changed={"IDENTITY_HEADER": "wrong"}),
    *both("app-service-2017", (CUE, CAE), 1, changed={"MSI_SECRET": "wrong"}),
    *both("service-fabric", (CUE, CAE), 1, changed={"IDENTITY_HEADER": "wrong"}),
    Case("service-fabric", "sync", ("SSLError",), 0, changed={"IDENTITY_SERVER_THUMBPRINT": "00" * 20}),
    # what breaks clients: no body, a date, a first answer of 200
    *both("app-service", (JSON_ERROR, CAE), 4, 4.8, answer={"status": 500, "flaw": "empty"}),
    *both("app-service-2017", ("ValueError", TOKEN), 1, answer={"status": 200, "body": DATE}),
    *both("arc", (CUE, TOKEN), 1, answer={"status": 200, "body": EARLY}),
    # flaws of IMDS' answers
    *both("imds", (CUE, CUE), 1, answer={"flaw": "html"}),
    *both("imds", (CAE, CAE), 1, answer={"flaw": "bad-json"}),
    *both("imds", (CUE, CAE), 1, answer={"flaw": "empty"}),
    Case("imds", "sync", (CUE, TOKEN), 1, answer={"flaw": "no-expires-in"}),
    Case("imds", "async", (TOKEN, TOKEN), 1, answer={"flaw": "no-expires-in"}),
    Case("imds", "sync", (TOKEN, TOKEN), 1, answer={"flaw": "no-resource"}),
    Case("imds", "async", (CUE, CUE), 2, answer={"flaw": "no-resource"}),
    Case("imds", "sync", (TOKEN,), 1, answer={"flaw": "refresh-in-text"}),
    Case("imds", "async", (CUE,), 1, answer={"flaw": "refresh-in-text"}),
    Case("imds", "sync", (TOKEN, TOKEN), 2, answer={"flaw": "short-life"}),
    Case("imds", "async", (TOKEN, TOKEN), 1, answer={"flaw": "short-life"}),
    *both("imds", (CAE, CAE), 6, answer={"flaw": "cut-off"}),
    *both("app-service", ("IncompleteReadError",), 4, answer={"flaw": "cut-off"}),
)
MACHINES = {case: f"scaleout_{number}" for number, case in enumerate(case.name for case in CASES)}


@dataclass(frozen=True, slots=True)
class Seen:
    """What every case came to, by its name."""

    outcomes: Mapping[str, tuple[Acquisition, ...]]
    requests: Mapping[str, int]


def stack_file_of(stack: Stack) -> StackFile:
    world = stack.world
    return make_stack_file("s", world.spec, world="processes", endpoints=world.endpoints(), user_token="", clock={})


def environment_of(stack: StackFile, case: Case) -> dict[str, str]:
    """What `brownout env` prints for it, and of Azure's other variables nothing."""
    found = exports(stack, MACHINES[case.name], endpoint=case.endpoint)
    kept = {name: value for name, value in found.items() if name in NAMES or "CERT" in name or "BUNDLE" in name}
    return kept | dict(case.changed or {})


@pytest.fixture(scope="module")
def seen(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    if os.geteuid() != 0:
        pytest.skip("clients of the Arc agent read a file that only root may write")
    assert len(MACHINES) == len(CASES), "each case has a name of its own"
    folder, file = tmp_path_factory.mktemp("golden"), stack_file_of(stack)
    keys = [
        Path(arc_key_file(endpoint_key(file.control_token, "arc"), MACHINES[case.name]))
        for case in CASES
        if case.endpoint == "arc"
    ]
    Path(ARC_TOKENS).mkdir(parents=True, exist_ok=True)
    for case, key in zip((case for case in CASES if case.endpoint == "arc"), keys, strict=True):
        key.write_text(endpoint_secret(file.control_token, "arc", MACHINES[case.name]))
    try:
        hold_answers(stack)
        run_clients(file, folder)
        outcomes = {case.name: read_story(folder, case.name).acquisitions for case in CASES}
        yield Seen(outcomes, {case.name: requests_of(stack, case) for case in CASES})
    finally:
        for key in keys:
            key.unlink(missing_ok=True)


def hold_answers(stack: Stack) -> None:
    for case in CASES:
        if case.answer:
            kind = "app-service" if case.endpoint == "app-service-2017" else case.endpoint
            value = {**case.answer, "machine": MACHINES[case.name], "endpoint": kind}
            stack.run(stack.world.hold(switch("sydney.host"), f"g-{case.name}", SwitchThrow("answer", value)))


def run_clients(file: StackFile, folder: Path) -> None:
    cases = [
        PythonCase(case.name, case.client, environment_of(file, case), (ClientStep(),) * len(case.outcomes), PACE)
        for case in CASES
    ]
    clean = {name: value for name, value in os.environ.items() if name not in NAMES and not name.lower().endswith("_proxy")}
    with start(cases, folder, clean, at_once=AT_ONCE) as clients:
        try:
            assert await_true(lambda: clients.poll() is not None, PATIENCE_S), "clients do not end"
        finally:
            clients.kill()


def requests_of(stack: Stack, case: Case) -> int:
    state = stack.run(stack.world.read(switch("sydney.host")))
    kind = "app-service" if case.endpoint == "app-service-2017" else case.endpoint
    counted = state["imds_requests"] if kind == "imds" else state["azure"]["requests"].get(kind, {})
    found: int = counted.get(MACHINES[case.name], 0)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_real_client_does_what_it_does_on_the_real_host(seen: Seen, case: Case) -> None:
    """Outcome, requests and waits are those of the reference."""
    outcomes = seen.outcomes[case.name]
    assert tuple(each.error or TOKEN for each in outcomes) == case.outcomes, outcomes
    assert seen.requests[case.name] == case.requests
    assert sum(each.seconds for each in outcomes) == pytest.approx(case.waited_s, abs=0.2)
