"""identity-attach: an identity is attached to machines, as an add-on does when it is enabled on a cluster.

Nothing fails at once. Callers that name no identity go on with what is cached, and are refused when that ends, because
nothing says any more which identity they mean (docs/reference/azure-wire.md#imds-identity-selection).
"""

from __future__ import annotations

from pydantic import Field

from brownout.faults._attachments import OWN, AttachmentFault


class IdentityAttach(AttachmentFault):
    """Machines get one identity more: a user-assigned one, made if there is none of its name, or one of their own."""

    kind = "identity-attach"
    switch = "attach-identity"
    attaches = True

    identity: str = Field(
        "addon-id",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="the name of a user-assigned identity, or `system` for each machine's own",
    )

    def describe(self) -> str:
        what = "an identity of its own" if self.identity == OWN else f"the identity {self.identity}"
        return f"{what} is attached to {', '.join(self.machines) or 'every machine'} of {self.region}"

    def identity_name(self) -> str:
        return self.identity
