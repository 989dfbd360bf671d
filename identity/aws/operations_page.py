"""`python -m brownout.identity.aws.operations_page`: prints `docs/aws-operations.md`, which says what is built and what is not.

The operations are those of the service models; whether one is built is read from the tables that serve them. A test of the
docs fails when the page is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping

from brownout.identity.aws.control.registry import all_operations
from brownout.identity.aws.protocol.services import Service, service
from brownout.identity.aws.provisioning import surface as provisioning
from brownout.identity.aws.secrets import surface as secrets
from brownout.identity.aws.sts import table

PATH = "docs/aws-operations.md"
HEAD = f"""# Operations of AWS that are built

Written by `python -m brownout.identity.aws.operations_page > {PATH}`; do not edit. The operations are those of the
service models that botocore ships, each with the parameters that a call must have. One that is not built is answered as the
real services answer an unknown action (InvalidAction or UnknownOperationException), and the node's log names it.
How the services answer is in [aws-wire.md](reference/aws-wire.md).
"""
COLUMNS = "| operation | built | parameters |\n|---|---|---|\n"
TITLES: Mapping[str, str] = {
    "sts": "STS",
    "iam": "IAM",
    "secretsmanager": "Secrets Manager",
    "cloudformation": "CloudFormation",
}


def built() -> dict[str, Collection[str]]:
    """By service, the names of the operations that are built."""
    return {
        "sts": table.OPERATIONS.keys(),
        "iam": all_operations().keys(),
        "secretsmanager": secrets.OPERATIONS.keys(),
        "cloudformation": provisioning.OPERATIONS.keys(),
    }


def page() -> str:
    """The whole page."""
    sections = (_section(service(name), names) for name, names in built().items())
    return "\n".join((HEAD, *sections))


def _section(made_by: Service, names: Collection[str]) -> str:
    known = sorted(made_by.operation_names)
    count = f"{sum(name in names for name in known)} of {len(known)} operations are built."
    head = f"## {TITLES[made_by.name]}\n\nVersion {made_by.version}. {count}\n\n{COLUMNS}"
    return head + "".join(_row(made_by, name, name in names) for name in known)


def _row(made_by: Service, name: str, is_built: bool) -> str:
    operation = made_by.operation(name)
    assert operation is not None, name
    members = operation.input.members if operation.input else ()
    required = ", ".join(member.name for member in members if member.required) or "none"
    return f"| {name} | {'yes' if is_built else 'no'} | {required} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
