"""MFA codes that come with a request: checked with the seed of the caller's device, and taken once.

The seed is part of the region's account, so a code is checked while the home region is away. A node remembers the period of
the newest code of each device, so no code is taken twice by the same node.
"""

from __future__ import annotations

from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.auth.totp import matching_period
from brownout.identity.aws.errors import access_denied
from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.regional.annex import RegionalAnnex

BOTH = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
UNKNOWN = (
    "MultiFactorAuthentication failed, unable to validate MFA code."
    "  Please verify your MFA serial number is valid and associated with this user."
)
WRONG = "MultiFactorAuthentication failed with invalid MFA one time pass code. "


class MfaCodes:
    """The codes that one node has taken."""

    def __init__(self, annex: RegionalAnnex) -> None:
        self._annex = annex
        self._newest: dict[str, int] = {}  # by serial number: the period of the newest code

    def shown(self, caller: Caller, params: Params) -> float | None:
        """When the caller showed a device, now or when its session began; None for never.

        Raises AwsError AccessDenied for a code that is wrong or was taken before, and for a device that is not the caller's.
        """
        serial, code = str(params.get("SerialNumber", "")), str(params.get("TokenCode", ""))
        if not serial and not code:
            return None if caller.session is None else caller.session.mfa_s
        if not serial or not code:
            raise access_denied(BOTH)
        account = self._annex.index.account
        device, seed = account.mfa_devices.get(serial), account.mfa_seeds.get(serial)
        if device is None or seed is None or not device.enabled_s or device.user_name.lower() != caller.principal_name.lower():
            raise access_denied(UNKNOWN)
        if not self.take(serial, code):
            raise access_denied(WRONG)
        return self._annex.node.ports.now()

    def take(self, serial: str, code: str) -> bool:
        """Uses up a code of the device of that serial number; False for a code that is wrong or was taken before."""
        seed, newest = self._annex.index.account.mfa_seeds.get(serial), self._newest.get(serial, -1)
        period = None if seed is None else matching_period(seed.seed, code, self._annex.node.ports.now(), after=newest)
        if period is None:
            return False
        assert period > newest, "no code is taken twice"
        self._newest[serial] = period
        return True
