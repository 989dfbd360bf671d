"""What a matrix is measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from brownout.harness.base.hints import did_you_mean
from brownout.harness.errors import UsageError
from brownout.harness.matrix.calls import SDK
from brownout.harness.matrix.events import MatrixEvent, matrix_events
from brownout.harness.worlds.catalog import SIMULATION
from brownout.harness.worlds.stack_spec import build_stack
from brownout.harness.worlds.vendor_packages import require_vendors
from brownout.identity.core.topology import ALL_VENDORS, DEFAULT_REGIONS, StackSpec


@dataclass(frozen=True, slots=True)
class MatrixOptions:
    """`regions` are the home region and the one away from it.

    `clients` are the regions from which clients call, both by default. `events` are names of rows, all by default. `attempts`
    is how often an SDK sends a call at most.
    """

    world: str = SIMULATION
    seed: int = 1
    regions: tuple[str, ...] = DEFAULT_REGIONS
    clients: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    attempts: int = SDK.attempts

    @property
    def home(self) -> str:
        return self.regions[0]

    @property
    def away(self) -> str:
        return self.regions[1]

    def stack(self, control_token: str = "") -> StackSpec:
        """The stack: both vendors' halves, because Entra's tenant issues the web identities; raises UsageError."""
        if len(self.regions) != 2:
            raise UsageError("a matrix has two regions: the home region and one away from it", hint="such as sydney,melbourne")
        spec = build_stack(
            seed=self.seed,
            control_token=control_token,
            regions=self.regions,
            home=self.home,
            vendors=ALL_VENDORS,
        )
        require_vendors(spec)
        return spec

    def check(self) -> None:
        """Raises UsageError for anything that there is not; nothing is started."""
        self.stack()
        self.client_regions()
        self.chosen_events()

    def client_regions(self) -> tuple[str, ...]:
        """The regions of the clients, the one away first; raises UsageError for one that the stack does not have."""
        for region in self.clients:
            _check_known("region", region, self.regions)
        return tuple(region for region in (self.away, self.home) if region in (self.clients or self.regions))

    def chosen_events(self) -> tuple[MatrixEvent, ...]:
        """The rows, in their order; raises UsageError for a name that is none."""
        known = matrix_events(self.home, self.away)
        for name in self.events:
            _check_known("event", name, [event.name for event in known])
        return tuple(event for event in known if not self.events or event.name in self.events)


def _check_known(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise UsageError(f"the matrix has no {what} {name!r}", hint=did_you_mean(name, known) or f"it has {', '.join(known)}")
