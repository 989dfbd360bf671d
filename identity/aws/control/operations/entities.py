"""Who an operation is about: users, groups and roles by name, with IAM's words where there is none."""

from __future__ import annotations

from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import no_such_entity, unmodifiable_entity
from brownout.identity.aws.records.principals import Group, Role, User

PolicyHolder = User | Group | Role


def known_user(tx: Transaction, name: str) -> User:
    """The user of that name; raises NoSuchEntity."""
    found = tx.get(User, name.lower())
    if found is None:
        raise no_such_entity(f"The user with name {name} cannot be found.")
    return found


def known_group(tx: Transaction, name: str) -> Group:
    """The group of that name; raises NoSuchEntity."""
    found = tx.get(Group, name.lower())
    if found is None:
        raise no_such_entity(f"The group with name {name} cannot be found.")
    return found


def known_role(tx: Transaction, name: str) -> Role:
    """The role of that name; raises NoSuchEntity."""
    found = tx.get(Role, name.lower())
    if found is None:
        raise no_such_entity(f"The role with name {name} cannot be found.")
    return found


def changeable_role(tx: Transaction, name: str) -> Role:
    """The role of that name, to be changed by the account; raises NoSuchEntity, UnmodifiableEntity for a service's own."""
    found = known_role(tx, name)
    if found.is_service_linked:
        raise unmodifiable_entity(
            f"Cannot perform the operation on the protected role '{found.name}' - this role is only modifiable by AWS"
        )
    return found


def entity_id(holder: PolicyHolder) -> str:
    """The holder's unique id: `AIDA...`, `AGPA...`, `AROA...`."""
    if isinstance(holder, User):
        return holder.user_id
    return holder.group_id if isinstance(holder, Group) else holder.role_id
