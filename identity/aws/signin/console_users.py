"""Users of the console with a password, a virtual MFA device and a security key, as many as the harness's clients want to be.

Their secrets follow from the stack's control token, so a caller that may ask for them is told the same ones each time,
and no password is kept. They may do nothing but sign in.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from brownout.identity.aws import arns, ids
from brownout.identity.aws.control.credentials import owned_by
from brownout.identity.aws.control.operations.credentials.passwords import set_password
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import LoginProfile, MfaDevice, Secret
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.signin.authenticator import private_key_of, public_key_of
from brownout.identity.aws.signin.security_keys import kept_under

MOST = 500  # of all groups together
SEED_BYTES = 20
_GROUP = re.compile(r"[\w+=,.@-]{1,60}", re.ASCII)  # as IAM has it of names, with room for the number


class ConsoleLogin(NamedTuple):
    """What a user signs in with. `mfa_seed` is the device's, in Base32 as IAM shows it, `security_key` is a private key."""

    user_name: str
    password: str
    mfa_seed: str
    security_key: str


def console_logins(groups: Sequence[str], count: int, control_token: str) -> tuple[ConsoleLogin, ...]:
    """What that many users `GROUP-N` of each group sign in with; raises ValueError for what cannot be meant."""
    if not groups or count < 1 or count * len(groups) > MOST:
        raise ValueError(f"users are 1 to {MOST} in all, not {count} in each of {len(groups)} groups")
    wrong = next((group for group in groups if not _GROUP.fullmatch(group)), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} does not begin a user's name")
    return tuple(_login(f"{group}-{number}", control_token) for group in groups for number in range(count))


def _login(user_name: str, control_token: str) -> ConsoleLogin:
    made = hmac.digest(control_token.encode(), f"console user {user_name}".encode(), "sha512")
    seed, rest = made[:SEED_BYTES], made[SEED_BYTES:]
    key = private_key_of(hmac.digest(control_token.encode(), f"security key of {user_name}".encode(), "sha384"))
    return ConsoleLogin(user_name, f"Console-{rest[:16].hex()}", base64.b32encode(seed).decode(), key)


def make_user(tx: Transaction, login: ConsoleLogin) -> None:
    """Puts the user into the account, unless there is one of that name."""
    name = login.user_name
    if tx.get(User, name.lower()) is not None:
        return
    user = User(name, tx.new_id(ids.USER), arns.user(tx.account_id, "/", name), tx.now_s)
    serial = arns.mfa_device(tx.account_id, "/", name)
    tx.put(user, LoginProfile(name, tx.now_s, tx.now_s))
    set_password(tx, user, login.password, reset_required=False)
    tx.put(MfaDevice(serial, tx.now_s, user_name=name, enabled_s=tx.now_s))
    tx.put(Secret(serial, base64.b32decode(login.mfa_seed).hex()))
    key = arns.security_key(tx.account_id, name, "key")
    tx.put(MfaDevice(key, tx.now_s, user_name=name, enabled_s=tx.now_s))
    tx.put(Secret(kept_under(key), public_key_of(login.security_key)))
    tx.put(replace(owned_by(tx, name), mfa_devices=(serial, key)))
