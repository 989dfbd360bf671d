"""Client of the firewall's control plane: black holes, which drop a link's packets in one direction or both.

Theory. Toxiproxy accepts a connection before any toxic applies, so it cannot imitate a lost SYN. The packet rules are in
its network namespace, where the firewall's container holds them by fault id (compose/firewall.py). They apply to new and to
established connections alike.

A client on the machine sees one difference: the engine's own proxy on loopback accepts its connection, and then no answer
follows. Clients in containers see the lost SYN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from brownout.harness.effects import Direction
from brownout.harness.errors import WorldError
from brownout.harness.worlds.toxiproxy.holds import FAULT_ID

TIMEOUT_S = 10.0


class Firewall:
    """The black holes of one stack. Every method raises WorldError when the firewall refuses, fails or does not answer."""

    def __init__(self, url: str, control_token: str) -> None:
        self._url, self._headers = url, {"authorization": f"Bearer {control_token}"}

    def hold(self, port: int, fault_id: str, direction: Direction) -> None:
        """Puts the hold in place, instead of an older one of the same id, verified by what the kernel then shows."""
        if not FAULT_ID.fullmatch(fault_id):
            raise WorldError(f"{fault_id!r} cannot be the name of a packet rule", hint="letters, digits, dots and dashes")
        shown = self._ask("PUT", f"/holes/{port}/{quote(fault_id, safe='')}", {"direction": direction})
        if shown.get(str(port), {}).get(fault_id) != direction:
            raise WorldError(f"the black hole {fault_id} is not in place after it was put there")

    def release(self, port: int, fault_id: str) -> None:
        """Removes the hold, a success also where there is none, verified by what the kernel then shows."""
        if not FAULT_ID.fullmatch(fault_id):
            return  # no hold can have that name
        shown = self._ask("DELETE", f"/holes/{port}/{quote(fault_id, safe='')}")
        if fault_id in shown.get(str(port), {}):
            raise WorldError(f"the black hole {fault_id} is still there after its release")

    def holds(self, port: int) -> dict[str, dict[str, str]]:
        """The holds on one link by fault id, as the kernel has them."""
        held = self._ask("GET", "/holes").get(str(port), {})
        return {fault_id: {"effect": "blackhole", "direction": direction} for fault_id, direction in held.items()}

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Mapping[str, str]]:
        try:
            # Plain HTTP on loopback: loading the certificate store would take longer than the request.
            with httpx.Client(trust_env=False, verify=False, timeout=TIMEOUT_S, headers=self._headers) as client:  # noqa: S501  # HTTP
                answer = client.request(method, self._url + path, json=body)
        except httpx.TransportError as failed:
            hint = "`brownout status` shows whether the stack still runs"
            raise WorldError(f"the firewall around Toxiproxy does not answer: {failed}", hint=hint) from failed
        if answer.status_code != 200:
            raise WorldError(f"the firewall could not change its packet rules: {answer.text.strip()}")
        found: Mapping[str, Mapping[str, str]] = answer.json()
        return found
