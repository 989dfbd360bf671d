"""Settings of a stack and the builds that its nodes can run.

A build is a feature table, not other code; a posture is a set of settings. Nothing here is an outcome rate: failures
emerge from keys, caches and who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import lru_cache
from math import isfinite
from typing import Any

from brownout.identity.core.overload.limits import check_capacity
from brownout.identity.core.planted import check_planted
from brownout.identity.core.records import Json


@dataclass(frozen=True, slots=True)
class Build:
    """What a build can do with store keys, and what it still has.

    `uses_managed_keys`: takes over a managed key by itself. `accepts_managed_key`: does so when configuration says so (the
    pinned build of July 2024 could: claim C20). `has_vm_extension`: its hosts still have machines with the extension that
    IMDS replaced (docs/reference/azure-wire.md#vm-extension).
    """

    uses_managed_keys: bool
    accepts_managed_key: bool
    has_vm_extension: bool


BUILDS: Mapping[str, Build] = {
    "0.9": Build(uses_managed_keys=False, accepts_managed_key=False, has_vm_extension=True),
    "1.0": Build(uses_managed_keys=False, accepts_managed_key=True, has_vm_extension=True),
    "2.0": Build(uses_managed_keys=True, accepts_managed_key=True, has_vm_extension=False),
}

FIRST_BUILD = "1.0"  # what a region's nodes run where no setting says otherwise


NODE_CONFIG = ("force_managed_key",)  # what `POST /admin/config` may set on a node that holds store keys


def check_config(wanted: Json) -> dict[str, bool]:
    """The configuration that `wanted` asks for; raises ValueError for a name or value that nodes do not know."""
    for name, value in wanted.items():
        if name not in NODE_CONFIG:
            raise ValueError(f"nodes have no configuration {name!r}; they have {', '.join(NODE_CONFIG)}")
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false, not {value!r}")
    return dict(wanted)


_LONGEST_S = 36_500 * 86_400.0
# A loop that never pauses, or a wait that never ends, would look like the service's own behaviour.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "token_lifetime_s": (1.0, _LONGEST_S),
    "publish_interval_s": (0.1, _LONGEST_S),
    "iam_publish_interval_s": (0.1, _LONGEST_S),
    "call_timeout_ms": (1.0, 600_000.0),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of a stack with its default. Times are emulated unless they end in `_ms` (network time)."""

    token_lifetime_s: float = 86399.0  # 24 h as IMDS hands it out (docs/reference/azure-wire.md#imds-token-answer)
    token_alg: str = "RS256"  # what the real service signs with; ES256 is faster
    host_refresh_fraction: float = 0.5  # host asks for a new token after this share of a token's life; 1.0 = at expiry
    host_refresh_backoff_s: float = 60.0  # after a failed early refresh the cached token is served this long unasked
    host_cache: bool = True
    host_cache_unnamed: bool = False  # hosts cache by what was asked, also where no identity was named (claim D8)
    attach_checks_callers: bool = False  # enabling an add-on asks hosts first who names no identity, and is refused then
    instance_cache: bool = True
    instance_refresh_fraction: float = 0.5
    expiry_margin_s: float = 300.0  # a token this near its end is not served from a cache
    pod_identity: bool = False  # whether AAD Pod Identity takes what is asked of IMDS
    ambiguous_text: str = "2024"  # which year's words for several identities and no selector (claim D3)
    federation_text: str = "2022"  # or "2025": whether a federated token that matches nothing is told what does not match
    verifier_refresh_s: float = 0.0  # how often Key Vault and storage fetch the key set anew (0: they judge by the replica)
    verifier_refetches: bool = True  # whether they fetch it sooner for a token of a key that is not in it
    verifier_ttl_s: float = 86_400.0  # how long they go on with keys that they can fetch no more
    extra_resources: tuple[str, ...] = ()
    default_machines: Mapping[str, str] = field(default_factory=dict)  # region -> machine of clients that know only the host
    imds_requests_per_s: float = 0.0  # token requests of one machine, more are 429; the real limit is 20 (0: none)
    imds_requests_at_once: float = 0.0  # the same; the real limit is 5 (0: none)
    app_service_cache_s: float = 28_800.0  # how long App Service serves a token before it asks for another: 8 h, documented
    app_service_requests_at_once: float = 0.0  # of one machine's instances, more are refused; the real limit is not public
    app_service_2017_expires_on: str = "epoch"  # or the date text of "linux" or "windows" in api-version 2017-09-01
    imds_http_tokens: str = "optional"  # or "required": IMDS of AWS without version 1
    builds: Mapping[str, str] = field(default_factory=dict)  # region -> build at start; "1.0" where not named
    pins: Mapping[str, str] = field(default_factory=dict)  # region -> build that the deployer must not move
    force_managed_key: tuple[str, ...] = ()  # regions whose nodes start with that configuration
    deployer_detects_pins: bool = False
    readiness_gate: bool = False
    signing_key_gate: bool = False  # whether the directory refuses to withdraw a key that still signs tokens
    key_overlap_s: float = 0.0
    key_use_gate_s: float = 0.0  # a store does not end a key that signed a request so recently (0: it does not look)
    store_access: str = "key"  # or "managed-identity": the circular dependency of claim C10
    publish_interval_s: float = 60.0
    iam_publish_interval_s: float = 1.0  # the same for AWS's account (docs/reference/aws-wire.md#propagation-of-changes)
    key_horizon_days: float = 400.0  # how many days ahead regions are sent the keys that verify signatures
    real_client_clocks: bool = False  # AWS's signatures may be by the machine's clock too, which real clients have
    config_delay_s: float = 2.0
    call_timeout_ms: float = 1000.0
    global_sts: str = "local"  # where the global STS name leads: the client's own region, or "home"
    capacity: Mapping[str, Json] = field(default_factory=dict)  # by role what a node can do (core/overload/limits.py)
    name_ttl_s: float = 0.0  # how long resolvers keep a good record of a name
    name_gate: bool = False  # whether a record that was asked for within a day cannot be removed from its zone
    arm_provisioning_s: float = 0.0  # how long operations of ARM on machines and scale sets are in progress
    planted: tuple[str, ...] = ()  # bugs that are switched on, for the search that has to find them (core/planted.py)

    @classmethod
    def of(cls, raw: Json) -> Settings:
        """Settings with `raw` over the defaults; raises ValueError that names the setting and what was meant."""
        given = tuple((name, type(value), value) for name, value in raw.items())  # 1 and True are equal, and not both a number
        try:
            return _remembered(given)
        except TypeError:  # a list or a table is among them, which has no hash and might change
            return cls.made(raw)

    @classmethod
    def made(cls, raw: Json) -> Settings:
        """The same, made anew."""
        for name, value in raw.items():
            if name not in _NAMES:
                close = get_close_matches(name, _NAMES, 1)
                raise ValueError(f"no setting {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
            _check_type(name, value, getattr(_DEFAULTS, name))
        values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in raw.items()}
        made = cls(**values)
        made._check()
        return made

    def _check(self) -> None:
        for region, build in (*self.builds.items(), *self.pins.items()):
            if not isinstance(build, str) or build not in BUILDS:
                raise ValueError(f"no build {build!r} (region {region}); builds are {', '.join(map(repr, BUILDS))}")
        for name, (least, most) in _BOUNDS.items():
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is above 0, from {least:g} to {most:g}, not {getattr(self, name)!r}")
        check_capacity(self.capacity)
        check_planted(self.planted)
        for name in ("host_refresh_fraction", "instance_refresh_fraction"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is a share of a token's life, above 0 and up to 1")
        choices = (
            ("token_alg", ("ES256", "RS256")),
            ("ambiguous_text", ("2020", "2024")),
            ("federation_text", ("2022", "2025")),
            ("app_service_2017_expires_on", ("epoch", "linux", "windows")),
            ("imds_http_tokens", ("optional", "required")),
            ("store_access", ("key", "managed-identity")),
            ("global_sts", ("local", "home")),
        )
        for name, allowed in choices:
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {', '.join(allowed)}, not {getattr(self, name)!r}")


def _check_type(name: str, value: object, default: object) -> None:
    kind = type(default)
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
            raise ValueError(f"{name} is a number that is not negative, not {value!r}")
        if value > _LONGEST_S:
            raise ValueError(f"{name} is at most {_LONGEST_S:g}, not {value!r}")
    elif kind is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"{name} is a list of names, not {value!r}")
    elif kind is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} is a table, not {value!r}")
    elif not isinstance(value, kind):
        raise ValueError(f"{name} is {kind.__name__}, not {value!r}")


_DEFAULTS = Settings()
_NAMES = tuple(each.name for each in fields(Settings))


@lru_cache(maxsize=64)  # each node of a stack asks, and a search makes one small stack after the other
def _remembered(given: tuple[tuple[str, type, Any], ...]) -> Settings:
    """The settings of these values, each with its name and type."""
    return Settings.made({name: value for name, _, value in given})
