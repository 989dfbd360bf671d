"""Passwords: what the account wants of them, and how they are kept.

No node keeps a password. For each region the directory keeps a slow hash over a salt of that region's own, and sends the region
that one alone. Hashes of earlier passwords stay in the directory, where a policy forbids to use one again.
Wire facts: docs/reference/aws-wire.md#passwords.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import string
from dataclasses import replace

from brownout.identity.aws.control.credentials import forget_secret
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.records.credentials import Secret
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.records.published import PublishedLogin, RegionalLogin
from brownout.identity.aws.records.settings import AccountSettings, PasswordPolicy

ITERATIONS = 10_000
SALT_BYTES = 16
MOST_REMEMBERED = 24  # passwords that a policy can forbid to use again
SYMBOLS = "!@#$%^&*()_+-=[]{}|'"
USUAL_MINIMUM, USUAL_KINDS = 8, 3  # of characters, and of kinds of characters, where the account has no policy
_ALPHABETS = (string.ascii_uppercase, string.ascii_lowercase, string.digits, SYMBOLS)


def password_digest(password: str, salt: bytes, iterations: int = ITERATIONS) -> bytes:
    """PBKDF2 with SHA-256, as regions check it."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)


def matches(login: PublishedLogin, password: str) -> bool:
    """True for the password that the login was made from."""
    return hmac.compare_digest(login.digest, password_digest(password, login.salt, login.iterations))


def check_password(tx: Transaction, user: User, password: str) -> None:
    """Raises PasswordPolicyViolation for a password that the account does not want."""
    settings = tx.get(AccountSettings, "") or AccountSettings()
    policy = settings.password_policy
    faults = _usual_faults(password, user) if policy is None else _faults(password, policy)
    if faults:
        raise AwsError.of("PasswordPolicyViolation", f"Password should have {faults[0]}")
    remembered = policy.reuse_prevention if policy else 0
    if remembered and any(matches(login, password) for login in _history(tx, user)[-remembered:]):
        raise AwsError.of("PasswordPolicyViolation", "Policy constraint violation with password reuse prevention")


def _faults(password: str, policy: PasswordPolicy) -> list[str]:
    """What the password lacks, in the order in which IAM looks."""
    wanted = (
        (len(password) >= policy.minimum_length, f"a minimum length of {policy.minimum_length}"),
        (not policy.require_uppercase or _has(password, string.ascii_uppercase), "at least one uppercase letter"),
        (not policy.require_lowercase or _has(password, string.ascii_lowercase), "at least one lowercase letter"),
        (not policy.require_numbers or _has(password, string.digits), "at least one number"),
        (not policy.require_symbols or _has(password, SYMBOLS), "at least one symbol"),
    )
    return [what for is_there, what in wanted if not is_there]


def _usual_faults(password: str, user: User) -> list[str]:
    """The same where the account has no policy of its own."""
    wanted = (
        (len(password) >= USUAL_MINIMUM, f"a minimum length of {USUAL_MINIMUM}"),
        (sum(_has(password, alphabet) for alphabet in _ALPHABETS) >= USUAL_KINDS, "at least three kinds of characters"),
        (password.lower() != user.table_key, "another value than the name of the user"),
    )
    return [what for is_there, what in wanted if not is_there]


def _has(password: str, alphabet: str) -> bool:
    return not set(alphabet).isdisjoint(password)


def set_password(tx: Transaction, user: User, password: str, *, reset_required: bool) -> None:
    """Keeps the password's hash for each region, and one among those of passwords that were used."""
    logins = [_login(tx, user, password, reset_required) for _ in tx.regions]
    tx.put(*(RegionalLogin(region, login) for region, login in zip(tx.regions, logins, strict=True)))
    used = (*_history(tx, user), logins[0])[-MOST_REMEMBERED:]
    tx.put(Secret(_history_key(user), json.dumps([login.to_json() for login in used])))


def set_reset_required(tx: Transaction, user: User, reset_required: bool) -> None:
    """Tells the regions whether the user has to choose another password at the next sign-in."""
    for regional in _regional_logins(tx, user):
        tx.put(replace(regional, login=replace(regional.login, reset_required=reset_required)))


def is_password(tx: Transaction, user: User, password: str) -> bool:
    """True for the user's password."""
    return any(matches(regional.login, password) for regional in _regional_logins(tx, user)[:1])


def forget_password(tx: Transaction, user: User) -> None:
    """Takes the password away from all regions, and from what is remembered."""
    for regional in _regional_logins(tx, user):
        tx.delete(regional)
    forget_secret(tx, _history_key(user))


def _regional_logins(tx: Transaction, user: User) -> list[RegionalLogin]:
    found = (tx.get(RegionalLogin, f"{region}/{user.table_key}") for region in tx.regions)
    return [regional for regional in found if regional is not None]


def _login(tx: Transaction, user: User, password: str, reset_required: bool) -> PublishedLogin:
    salt = hashlib.sha256(tx.new_uuid().encode()).digest()[:SALT_BYTES]
    return PublishedLogin(user.name, salt, password_digest(password, salt), ITERATIONS, reset_required, tx.now_s)


def _history(tx: Transaction, user: User) -> list[PublishedLogin]:
    """Hashes of the passwords that the user had, oldest first."""
    known = tx.get(Secret, _history_key(user))
    return [PublishedLogin.from_json(raw) for raw in json.loads(known.value)] if known else []


def _history_key(user: User) -> str:
    return f"passwords/{user.user_id}"
