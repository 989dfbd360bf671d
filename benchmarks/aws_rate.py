"""How many calls of STS one token node answers in a second, each with its signature verified and its caller authorized.

`python -m benchmarks.aws_rate --url URL --access-key-id ... --secret-access-key ... --role-arn ...` measures another server in
turn with a token node, in the same session, with requests of the same form, and prints the report of both as JSON. It is
started and configured beforehand, with its checks of signatures and permissions on. `--pid` adds its processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlencode

from benchmarks.bare_server import HOST, standing_bare_server
from benchmarks.report import Benchmark, Figures, Machine, Part, Report, Row, Spread, number, rounded, text
from benchmarks.request_generator import Burst, Job, answer_to, burst_apart
from benchmarks.stands import aws_credentials, stack_pids, standing_aws_stack
from benchmarks.table import plain
from benchmarks.tokens import address_of
from brownout.identity.aws import arns
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.protocol.calls import KNOWN_FORMS
from brownout.identity.aws.records.seed import APP_ROLE, CALLER, account_of
from brownout.identity.core.messages import FORM_TYPE, Request
from brownout.identity.core.topology import REGIONS

NODE, REGION = "sydney.token.z1", REGIONS["sydney"].aws_name
OURS, BARE, OTHER = "a token node", "a bare server", "the other server"
AIM_TIMES = 25  # the other server's rate, where it is moto's with its checks on
VERSION = "2011-06-15"
DATES = 240  # requests are signed as in each of so many seconds before
NEW_NAMES = 2 * KNOWN_FORMS  # session names of which a node remembers no form when one comes again
LINES = (  # what boto3 sends beside what it signs
    (b"accept-encoding", b"identity"),
    (b"content-type", f"{FORM_TYPE}; charset=utf-8".encode()),
    (b"user-agent", b"Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7"),
    (b"amz-sdk-invocation-id", b"a4b1a9d0-95c2-4d7c-9d0c-0ac1b1c2d3e4"),
    (b"amz-sdk-request", b"attempt=1"),
)


class Call(NamedTuple):
    """A kind of call: requests of the action that are signed ahead, no two alike, and sent in turn."""

    action: str
    prepared: int = DATES


CALLS: Mapping[str, Call] = {
    "GetCallerIdentity": Call("GetCallerIdentity"),
    "AssumeRole": Call("AssumeRole"),
    f"AssumeRole under {NEW_NAMES:,} names": Call("AssumeRole", NEW_NAMES),
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server of STS, and who calls it: `credentials` may assume the role. `pid` is None where it cannot be looked up."""

    url: str
    credentials: Credentials
    role_arn: str
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """`length_s` is of one burst; each round has one for each server, call and number of connections."""

    rounds: int = 5
    length_s: float = 2.0
    connections: tuple[int, ...] = (1, 8)


class CallFigures(Part):
    """One call, by its name in CALLS, at one server. `cpu_us` is the server's processor time for a request, where it is known.

    `generator_cpu_share` is of one core: the generator never sleeps where it has a core of its own. What it and the way there
    take is in the rate of a bare server.
    """

    server: str
    action: str
    connections: int
    requests_per_s: Spread
    p50_ms: Spread
    p99_ms: Spread
    cpu_us: Spread | None
    generator_cpu_share: Spread


class AwsRate(Figures):
    calls: tuple[CallFigures, ...]


def measure(settings: Settings, other: Server | None = None) -> AwsRate:
    return asyncio.run(_measure(settings, other))


async def _measure(settings: Settings, other: Server | None) -> AwsRate:
    async with standing_aws_stack() as world:
        ours = Server(
            world.endpoints().control[NODE],
            await aws_credentials(world, CALLER),
            arns.role(account_of(world.spec), "/", APP_ROLE),
            (await stack_pids(world))[NODE],
        )
        return AwsRate(calls=await asyncio.to_thread(_calls, settings, ours, other))


def _calls(settings: Settings, ours: Server, other: Server | None) -> tuple[CallFigures, ...]:
    """Servers take turns, so that whatever else the machine does meets all of them."""
    return tuple(found for name in CALLS for found in _calls_of(name, settings, ours, other))


def _calls_of(call: str, settings: Settings, ours: Server, other: Server | None) -> Iterator[CallFigures]:
    wanted = CALLS[call]
    with _bare(ours, wanted) as bare:
        servers = {OURS: ours, BARE: bare} | ({} if other is None else {OTHER: other})
        kinds = [(name, many) for many in settings.connections for name in servers]
        bursts: dict[tuple[str, int], list[Burst]] = {kind: [] for kind in kinds}
        for _ in range(settings.rounds):
            for name, many in kinds:
                bursts[name, many].append(burst_apart(job(servers[name], wanted, many, settings.length_s, time.time())))
    for (name, many), found in bursts.items():
        yield _figures(name, call, many, found)


@contextmanager
def _bare(ours: Server, wanted: Call) -> Iterator[Server]:
    """A bare server that gives one of our answers to all requests of the kind."""
    asked = job(ours, Call(wanted.action, 1), 1, 1.0, time.time())
    with standing_bare_server(answer_to(asked.host, asked.port, asked.requests[0].encode("latin-1"))) as (port, pid):
        yield replace(ours, url=f"http://{HOST}:{port}", pid=pid)


def job(server: Server, wanted: Call, connections: int, length_s: float, now_s: float) -> Job:
    """What the generator is to do: requests that were signed in the minutes before `now_s`."""
    host, port = address_of(server.url)
    pids = {} if server.pid is None else {"server": server.pid}
    numbers = range(wanted.prepared)
    requests = tuple(_on_the_wire(_signed(server, wanted.action, each, now_s, f"{host}:{port}")) for each in numbers)
    return Job(
        host=host,
        port=port,
        requests=requests,
        mark=f"<{wanted.action}Result>",
        connections=connections,
        length_s=length_s,
        pids=pids,
    )


def _signed(server: Server, action: str, number: int, now_s: float, host: str) -> Request:
    at_s = now_s - number % DATES
    form = {"Action": action, "Version": VERSION}
    if action == "AssumeRole":
        form |= {"RoleArn": server.role_arn, "RoleSessionName": f"job-{number}"}
    payload = urlencode(form).encode()
    plain_request = Request.raw("POST", "/", (*LINES, (b"content-length", str(len(payload)).encode())), payload)
    return sign(plain_request, server.credentials, service="sts", region=REGION, now_s=at_s, host=host)


def _on_the_wire(request: Request) -> str:
    lines = (f"{name.decode('latin-1')}: {value.decode('latin-1')}\r\n" for name, value in request.raw_headers)
    return f"{request.method} {request.target} HTTP/1.1\r\n{''.join(lines)}\r\n{request.payload.decode('latin-1')}"


def _figures(server: str, action: str, connections: int, bursts: Sequence[Burst]) -> CallFigures:
    known = all("server" in burst.cpu_shares for burst in bursts)
    return CallFigures(
        server=server,
        action=action,
        connections=connections,
        requests_per_s=Spread.of(burst.rate_per_s for burst in bursts),
        p50_ms=Spread.of(burst.p50_ms for burst in bursts),
        p99_ms=Spread.of(burst.p99_ms for burst in bursts),
        cpu_us=Spread.of(1e6 * burst.cpu_shares["server"] / burst.rate_per_s for burst in bursts) if known else None,
        generator_cpu_share=Spread.of(burst.cpu_shares["generator"] for burst in bursts),
    )


def rows(figures: AwsRate) -> tuple[Row, ...]:
    found = []
    rates = {(call.server, call.action, call.connections): call.requests_per_s.median for call in figures.calls}
    for call in figures.calls:
        connections = f"{call.connections} connection{'s' if call.connections > 1 else ''}"
        found.append(Row(f"{call.action} at {call.server}, {connections}", text(call.requests_per_s, "per s")))
        others = rates.get((OTHER, call.action, call.connections))
        if call.server == OURS and others:
            found.append(Row("- times the other server's rate", f"{call.requests_per_s.median / others:.1f}", f"{AIM_TIMES}"))
        found.append(Row("- p50 and p99 of an answer", f"{number(call.p50_ms.median)} and {number(call.p99_ms.median)} ms"))
        if call.cpu_us is not None:
            found.append(Row("- processor time for a request", text(call.cpu_us, "us")))
    return tuple(found)


BENCHMARK = Benchmark(
    name="aws_rate",
    title="A token node answers STS",
    about="Closed loop over kept connections straight at the node's port, signed ahead with a long-term key; all verified. "
    "A bare server reads each request and gives one fixed answer: no server can be faster here.",
    figures=AwsRate,
    measure=measure,
    rows=rows,
    full=Settings(),
    tiny=Settings(rounds=1, length_s=0.2),
)


def main(arguments: Sequence[str]) -> int:
    """Measures another server beside a token node, prints the report, and returns the exit code."""
    asked = _parse(arguments)
    other = Server(asked.url, Credentials(asked.access_key_id, asked.secret_access_key), asked.role_arn, asked.pid)
    settings = replace(BENCHMARK.full, rounds=asked.rounds, length_s=asked.length_s)
    machine, started_s = Machine.here(), time.perf_counter()
    figures = measure(settings, other)
    command = f"python -m benchmarks.aws_rate --url {asked.url} ..."
    took_s = rounded(time.perf_counter() - started_s)
    print(plain(rows(figures)), file=sys.stderr)
    told = {"rounds": settings.rounds, "length_s": settings.length_s, "connections": settings.connections}
    report = Report(benchmark=BENCHMARK.name, command=command, machine=machine, settings=told, took_s=took_s, figures=figures)
    sys.stdout.write(report.to_json().decode())
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.aws_rate", description="Another server beside a token node.")
    parser.add_argument("--url", required=True, help="http://HOST:PORT of a server of STS")
    for name in ("--access-key-id", "--secret-access-key", "--role-arn"):
        parser.add_argument(name, required=True)
    parser.add_argument("--pid", type=int, help="the server's process, for its processor time")
    parser.add_argument("--rounds", type=int, default=BENCHMARK.full.rounds)
    parser.add_argument("--length-s", type=float, default=BENCHMARK.full.length_s)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
