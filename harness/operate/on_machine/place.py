"""What a command finds on a machine of a stack: the addresses that clients know by heart, and on request the vendors' names.

Wire facts: docs/reference/azure-wire.md#imds, docs/reference/aws-wire.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from brownout.harness.base import hints
from brownout.harness.client_env.shell_variables import ELSEWHERE, TRUST_NAMES, find_machine
from brownout.harness.client_env.stack_file import RegionEntry, StackFile
from brownout.harness.errors import UsageError
from brownout.harness.operate.on_machine.forwarder import Forward
from brownout.harness.operate.on_machine.launch import Launch
from brownout.harness.operate.on_machine.namespace import Overlay

METADATA = ("169.254.169.254", 80)  # both vendors' machines; the paths differ
VM_EXTENSION, ARC, SERVICE_FABRIC = ("127.0.0.1", 50342), ("127.0.0.1", 40342), ("127.0.0.1", 2377)
HTTPS_PORT = 443
HOSTS, AUTHORITIES = Path("/etc/hosts"), Path("/etc/ssl/certs/ca-certificates.crt")


def launch_of(stack: StackFile, machine: str, command: tuple[str, ...], *, names: bool) -> Launch:
    """The command as it is to run on the machine, with this process's environment less what would lead clients elsewhere.

    With `names` the vendors' names lead into the stack too, and variables say whom to trust for them. Raises UsageError for a
    machine that the stack does not have, and for names where it has none.
    """
    region = stack.regions[find_machine(stack, machine).region]
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    forwards = _addresses(stack, region, machine)
    if not names:
        return Launch(command, environment, forwards)
    if stack.tls is None or not region.proxy_url:
        raise UsageError(f"stack {stack.stack} has no names", hint=hints.NEW_STACK)
    by_name = {name: f"127.53.{number // 250}.{number % 250 + 1}" for number, name in enumerate(stack.tls.names)}
    proxy = urlsplit(region.proxy_url).netloc
    forwards += tuple(Forward((at, HTTPS_PORT), proxy, connect=name) for name, at in by_name.items())
    trusted = dict.fromkeys((*TRUST_NAMES, "AWS_CA_BUNDLE"), stack.tls.ca_bundle)
    return Launch(command, environment | trusted, forwards, _files(stack.tls.trust_bundle, by_name))


def _addresses(stack: StackFile, region: RegionEntry, machine: str) -> tuple[Forward, ...]:
    host = urlsplit(region.host_url).netloc
    found: tuple[Forward, ...] = (Forward(METADATA, host, prefix=f"/{machine}"),)
    if "azure" not in stack.vendors:
        return found
    found += (Forward(VM_EXTENSION, host, prefix=f"/{machine}"), Forward(ARC, host, prefix=f"/{machine}/arc"))
    if region.tls_host_url:
        found += (Forward(SERVICE_FABRIC, f"127.0.0.1:{urlsplit(region.tls_host_url).port}"),)
    return found


def _files(trust_bundle: str, by_name: Mapping[str, str]) -> tuple[Overlay, ...]:
    """The machine's table of names with ours, and its authorities with the stack's."""
    own = HOSTS.read_text(encoding="utf-8") if HOSTS.is_file() else ""
    table = "".join(f"{address} {name}\n" for name, address in by_name.items())
    return (Overlay(HOSTS, f"{own.rstrip()}\n{table}"), Overlay(AUTHORITIES, Path(trust_bundle).read_text(encoding="utf-8")))
