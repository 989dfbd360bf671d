"""An attempt to sign in, and how far it is judged with an account as a region knows it.

Passwords and one-time codes are judged with what is published. A security key is not: an attempt with one goes to the control
plane, which judges all of it. Wire facts: docs/reference/aws-wire.md#console-sign-in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

from brownout.identity.aws.control.operations.credentials.passwords import ITERATIONS, matches
from brownout.identity.aws.records.credentials import MfaDevice
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.published import PublishedAccount, PublishedLogin
from brownout.identity.aws.signin.security_keys import Assertion
from brownout.identity.core.records import Json

Refusal = Literal["wrong", "wrong-code", "code-needed", "key-needed", "password-expired"]
REFUSALS: tuple[Refusal, ...] = ("wrong", "wrong-code", "code-needed", "key-needed", "password-expired")
U2F = ":u2f/"  # what a security key's serial number has in it
_NO_LOGIN = PublishedLogin("", b"salt of no user", b"", ITERATIONS)  # so that an unknown user takes as long as a known one


class SignInRefused(Exception):
    """Why a sign-in is refused: a wrong password or code, something that is missing, a password that has to be changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        self.refusal: Refusal = refusal


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """What the user typed, and what the security key said."""

    user_name: str
    password: str
    code: str = ""
    assertion: Assertion | None = None

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"user_name": self.user_name, "password": self.password, "code": self.code}
        return found if self.assertion is None else found | {"assertion": self.assertion.to_json()}

    @classmethod
    def from_json(cls, raw: Json) -> Self:
        assertion = raw.get("assertion")
        return cls(
            str(raw["user_name"]),
            str(raw["password"]),
            str(raw.get("code", "")),
            None if assertion is None else Assertion.from_json(assertion),
        )

    def __repr__(self) -> str:
        return f"SignInAttempt({self.user_name!r})"


def user_with_password(account: PublishedAccount, attempt: SignInAttempt) -> User:
    """The user whose password it is; raises SignInRefused, for an unknown user as for a wrong password."""
    key = attempt.user_name.lower()
    user, login = account.users.get(key), account.logins.get(key, _NO_LOGIN)
    if not matches(login, attempt.password) or user is None:
        raise SignInRefused("wrong")
    if login.reset_required:
        raise SignInRefused("password-expired")
    return user


def devices_of(account: PublishedAccount, user: User) -> tuple[MfaDevice, ...]:
    """The user's MFA devices that are in use."""
    wanted = user.name.lower()
    return tuple(each for each in account.mfa_devices.values() if each.enabled_s and each.user_name.lower() == wanted)


def is_security_key(device: MfaDevice) -> bool:
    return U2F in device.serial_number


def judge_code(account: PublishedAccount, user: User, code: str, take: Callable[[str, str], bool]) -> bool:
    """Whether the attempt showed a second factor: False where the user has none. `take` uses a device's code up.

    Raises SignInRefused for a wrong code, and for none where one is needed.
    """
    devices = devices_of(account, user)
    if not devices:
        return False
    virtual = [device for device in devices if not is_security_key(device)]
    if not code or not virtual:
        raise SignInRefused("code-needed" if virtual else "key-needed")
    if not any(take(device.serial_number, code) for device in virtual):
        raise SignInRefused("wrong-code")
    return True
