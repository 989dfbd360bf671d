"""Scopes of roles: the root, management groups, the subscription, resource groups, resources; each holds for all below it."""

from __future__ import annotations

ROOT = "/"
MANAGEMENT_GROUPS = "/providers/microsoft.management/managementgroups/"


def normal(scope: str) -> str:
    """The scope with single slashes, one at its front and none at its end, as it was spelled otherwise."""
    return ROOT + "/".join(word for word in scope.split("/") if word)


def covers(outer: str, inner: str, tenant_id: str) -> bool:
    """True when what is granted at `outer` holds at `inner`; both are normal, and case does not matter.

    The one management group, whose name is the tenant's id, is above the stack's subscription.
    """
    above, below = outer.lower(), inner.lower()
    if above in (ROOT, below):
        return True
    if above == f"{MANAGEMENT_GROUPS}{tenant_id.lower()}":
        return below.startswith("/subscriptions/")
    return below.startswith(f"{above}/")


def subscription(subscription_id: str) -> str:
    return f"/subscriptions/{subscription_id}"
