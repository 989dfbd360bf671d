"""How an account comes back from its replicas after the directory's disk was lost, or replaced by an older copy of itself.

A directory with an empty disk begins the account anew, one with an older copy goes on from that; either on a line of its own,
and replicas refuse it as a stranger. Then it takes over what they had: principals, policies, providers, settings, sealing
keys, seeds of MFA devices, and for each region its keys and password hashes. What was changed since this life began is newer
than what is learned. Secrets of access keys cannot be learned, so keys whose secret is lost are good for as many days as were
published. What only the directory knew is lost, or is as the copy has it: signing certificates, SSH keys, server
certificates, last uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from brownout.identity.aws.control.credentials import forget_access_key, forget_secret
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.records.credentials import AccessKey, LoginProfile, MfaDevice, Secret, UserCredentials
from brownout.identity.aws.records.policies import ManagedPolicy, PolicyUse
from brownout.identity.aws.records.principals import Group, InstanceProfile, Role, User
from brownout.identity.aws.records.providers import OidcProvider, SamlProvider
from brownout.identity.aws.records.published import LearnedKey, PublishedAccount, RegionalLogin
from brownout.identity.aws.records.settings import AccountSettings, Lineage, SealingKey
from brownout.identity.aws.records.tables import RecordKind, Tables
from brownout.identity.core.replication.lines import learned

VERSIONS_AHEAD = 1000  # of the newest replica that answered, for one may be newer that did not
_LEARNED: tuple[RecordKind, ...] = (
    User,
    Group,
    Role,
    InstanceProfile,
    ManagedPolicy,
    OidcProvider,
    SamlProvider,
    MfaDevice,
)


def take_over(tx: Transaction, base: Tables, lost: Sequence[PublishedAccount]) -> None:
    """Takes over these accounts, the newest last, into one that began as `base` in this life."""
    newest = lost[-1]
    for kind in _LEARNED:
        _take_over_kind(tx, kind, base, newest)
    _take_over_settings(tx, base, newest)
    _follow_keys(tx, base, newest)
    _follow_logins(tx, base, newest)
    own_logins = frozenset(tx.table(LoginProfile))
    for account in lost:
        tx.put(*(key for key in account.sealing_keys.values() if tx.get(SealingKey, key.key_id) is None))
        _learn_keys(tx, account, newest)
        _learn_logins(tx, account, newest, own_logins)
    for seed in newest.mfa_seeds.values():
        tx.put(Secret(seed.serial_number, seed.seed.hex()))
    _forget_lost_users(tx)
    _recount(tx)
    own = tx.get(Lineage, "")
    assert own is not None, "every life has a line"
    tx.put(Lineage(learned(own.lines, newest.lines, newest.version)))


def _take_over_kind(tx: Transaction, kind: RecordKind, base: Tables, newest: PublishedAccount) -> None:
    """Takes each row that was not changed since the beginning from the lost account, also that it was deleted there."""
    own, begun, theirs = tx.table(kind), base.table(kind), newest.tables.table(kind)
    for key in {**own, **theirs}:
        if own.get(key) != begun.get(key):
            continue  # made, changed or deleted since
        if key in theirs:
            tx.put(theirs[key])
        else:
            tx.delete(own[key])


def _take_over_settings(tx: Transaction, base: Tables, newest: PublishedAccount) -> None:
    """Takes the account's settings unless they were changed since; the days of keys are this life's own."""
    own = tx.get(AccountSettings, "") or AccountSettings()
    if _on_days_of(own, base.table(AccountSettings).get("", AccountSettings())) == own:
        tx.put(_on_days_of(own, newest.settings))


def _on_days_of(own: AccountSettings, settings: AccountSettings) -> AccountSettings:
    return replace(settings, key_first_day=own.key_first_day, client_first_day=own.client_first_day)


def _follow_keys(tx: Transaction, base: Tables, newest: PublishedAccount) -> None:
    """Deletes the keys that were deleted in the lost account, and gives others the state that they had there."""
    for key_id, begun in base.table(AccessKey).items():
        known = newest.access_key(key_id)
        if tx.get(AccessKey, key_id) != begun:
            continue
        if known is None:
            forget_access_key(tx, begun)
            forget_secret(tx, key_id)
        else:
            tx.put(replace(begun, status=known.status))


def _follow_logins(tx: Transaction, base: Tables, newest: PublishedAccount) -> None:
    """Forgets the passwords that were changed or taken away in the lost account, which has others or none."""
    for user_key, begun in base.table(LoginProfile).items():
        login = newest.logins.get(user_key)
        if tx.get(LoginProfile, user_key) == begun and (login is None or login.changed_s != _changed_s(tx, user_key)):
            tx.delete(begun)
            for region in tx.regions:
                regional = tx.get(RegionalLogin, f"{region}/{user_key}")
                if regional is not None:
                    tx.delete(regional)


def _changed_s(tx: Transaction, user_key: str) -> float | None:
    """When the user's password was last changed, as the regions are told; None for none."""
    found = (tx.get(RegionalLogin, f"{region}/{user_key}") for region in tx.regions)
    return next((regional.login.changed_s for regional in found if regional is not None), None)


def _learn_keys(tx: Transaction, account: PublishedAccount, newest: PublishedAccount) -> None:
    """Takes a region's keys, of which the newest account says which there are and in what state."""
    for key_id, key in account.access_keys.items():
        known = newest.access_key(key_id)
        user = None if known is None else tx.get(User, known.user_name.lower())
        if known is not None and user is not None and tx.get(Secret, key_id) is None:
            tx.put(AccessKey(key_id, user.name, known.created_s, known.status), LearnedKey(account.region, key))


def _learn_logins(tx: Transaction, account: PublishedAccount, newest: PublishedAccount, own_logins: frozenset[str]) -> None:
    """Takes a region's hashes of the passwords that users have in the newest account."""
    for user_key, login in account.logins.items():
        known = newest.logins.get(user_key)
        is_current = known is not None and known.changed_s == login.changed_s
        if is_current and tx.get(User, user_key) is not None and user_key not in own_logins:
            tx.put(RegionalLogin(account.region, login))
            tx.put(LoginProfile(login.user_name, login.changed_s, login.changed_s, login.reset_required))


def _forget_lost_users(tx: Transaction) -> None:
    """Takes away the keys that this life made for users who had been deleted before."""
    for key in tx.table(AccessKey).values():
        if key.user_name and tx.get(User, key.user_name.lower()) is None:
            forget_access_key(tx, key)
            forget_secret(tx, f"first-key/{key.user_name}")


def _recount(tx: Transaction) -> None:
    """Makes anew what is counted and listed beside the records that it follows from."""
    users, groups, roles = tx.table(User), tx.table(Group), tx.table(Role)
    holders: list[User | Group | Role] = [*users.values(), *groups.values(), *roles.values()]
    attached = Counter(arn for holder in holders for arn in holder.attached)
    bounded = Counter(holder.boundary for holder in holders if not isinstance(holder, Group) and holder.boundary)
    for use in tx.table(PolicyUse).values():
        tx.delete(use)
    tx.put(*(PolicyUse(arn, attached[arn], bounded[arn]) for arn in {**attached, **bounded}))
    members = Counter(name.lower() for user in users.values() for name in user.groups)
    tx.put(*(replace(group, members=members[key]) for key, group in groups.items() if group.members != members[key]))
    _list_credentials(tx, users)


def _list_credentials(tx: Transaction, users: Mapping[str, User]) -> None:
    keys = _by_user((key.user_name, key.access_key_id) for key in tx.table(AccessKey).values())
    devices = _by_user((device.user_name, device.serial_number) for device in tx.table(MfaDevice).values())
    for orphan in tx.table(UserCredentials).values():
        if orphan.table_key not in users:
            tx.delete(orphan)
    for key, user in users.items():
        own = tx.get(UserCredentials, key)
        if own is not None or key in keys or key in devices:
            known = own or UserCredentials(user.name)
            tx.put(replace(known, access_keys=tuple(keys.get(key, ())), mfa_devices=tuple(devices.get(key, ()))))


def _by_user(owned: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, credential in owned:
        found.setdefault(name.lower(), []).append(credential)
    return found
