"""Latent failures of a stack: cached tokens that would not be renewed today, and the hour at which each machine then fails.

Every host tries the renewals of its machines' tokens as they would go later, without reading or changing a cache
(identity/core/nodes/assigned/renewals.py). What callers keep to themselves is not seen: an SDK with a token of its own fails
later than its host, never sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from brownout.harness.errors import WorldError
from brownout.harness.worlds.control_plane import Controlled
from brownout.identity.core.messages import Request
from brownout.identity.core.topology import HOST


@dataclass(frozen=True, slots=True)
class LatentFailure:
    """A machine's cached token that would not be renewed. Times are emulated epoch seconds.

    `named` says whether its callers name the identity, `identity` is the one that a renewal asks for, "" where nothing says
    which. From `fails_s` on requests are refused, if nothing changes; `code` and `reason` are those of the renewal.
    """

    region: str
    machine: str
    resource: str
    identity: str
    named: bool
    code: str
    reason: str
    fails_s: float


@dataclass(frozen=True, slots=True)
class LatentChange:
    """A machine whose callers name no identity, and get a token of another one, `identity`, from `changes_s` on."""

    region: str
    machine: str
    resource: str
    identity: str
    changes_s: float


@dataclass(frozen=True, slots=True)
class RenewalLook:
    """What all hosts said at `now_s`, of so many cached `tokens`; failures and changes in the order in which they come."""

    now_s: float
    tokens: int
    failures: tuple[LatentFailure, ...]
    changes: tuple[LatentChange, ...] = ()

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines that will fail, the first one first."""
        return tuple(dict.fromkeys(found.machine for found in self.failures))


async def look_at_renewals(world: Controlled, regions: Iterable[str] = ()) -> RenewalLook:
    """Tries the renewals in these regions, in all where none is named; raises WorldError where a host does not say."""
    tokens, now_s = 0, 0.0
    failures: list[LatentFailure] = []
    changes: list[LatentChange] = []
    for region in tuple(regions) or world.spec.regions:
        answer = await world.control(f"{region}.{HOST}", Request("GET", "/admin/renewals"))
        if not answer.ok or answer.body is None:
            raise WorldError(f"{region}.{HOST} answered {answer.status} when asked for renewals")
        now_s = max(now_s, float(answer.body["now_s"]))
        tokens += len(answer.body["tokens"])
        failures += [_read(region, told) for told in answer.body["tokens"] if "fails_s" in told]
        changes += [_read_change(region, told) for told in answer.body["tokens"] if "changes_s" in told]
    in_order = tuple(sorted(failures, key=lambda one: (one.fails_s, one.machine)))
    return RenewalLook(now_s, tokens, in_order, tuple(sorted(changes, key=lambda one: (one.changes_s, one.machine))))


def _read_change(region: str, told: Mapping[str, Any]) -> LatentChange:
    machine, resource, identity = (str(told[name]) for name in ("machine", "resource", "identity"))
    return LatentChange(region, machine, resource, identity, float(told["changes_s"]))


def _read(region: str, told: Mapping[str, Any]) -> LatentFailure:
    return LatentFailure(
        region=region,
        machine=str(told["machine"]),
        resource=str(told["resource"]),
        identity=str(told["identity"]),
        named=bool(told["named"]),
        code=str(told["code"]),
        reason=str(told["reason"]),
        fails_s=float(told["fails_s"]),
    )
