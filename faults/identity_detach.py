"""identity-detach: a user-assigned identity is taken off machines, and given back to those that had it.

Callers that name it are refused at once; what others have cached is not taken from them.
"""

from __future__ import annotations

from pydantic import Field

from brownout.faults._attachments import OWN, AttachmentFault
from brownout.harness.errors import UsageError
from brownout.harness.world import StackSpec


class IdentityDetach(AttachmentFault):
    """Machines lose a user-assigned identity."""

    kind = "identity-detach"
    switch = "detach-identity"
    attaches = False

    identity: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$", description="the name of a user-assigned identity")

    def describe(self) -> str:
        return f"the identity {self.identity} is taken off {', '.join(self.machines) or 'every machine'} of {self.region}"

    def identity_name(self) -> str:
        return self.identity

    def value(self, spec: StackSpec) -> dict[str, object]:
        if self.identity == OWN:
            hint = "name a user-assigned identity"
            raise UsageError("a machine's own identity cannot be given back once it is gone", hint=hint)
        return dict(super().value(spec))
