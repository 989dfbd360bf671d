"""The provisioning service on a management node, as CloudFormation's wire: stacks of roles and of what uses them.

A stack acts with the permissions of who made it, or of the role that its maker passed. Wire facts:
docs/reference/aws-wire.md#provisioning-with-templates.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from urllib.parse import unquote_plus

from brownout.identity.aws.protocol.answers import render
from brownout.identity.aws.protocol.calls import AskedOperation
from brownout.identity.aws.protocol.services import VERSIONS
from brownout.identity.aws.provisioning import change_sets, reading, stacks
from brownout.identity.aws.provisioning.annex import ManagementAnnex
from brownout.identity.aws.provisioning.call import StackCall, StackResult
from brownout.identity.aws.regional.annex import VENDOR
from brownout.identity.aws.regional.query import is_query_request
from brownout.identity.aws.regional.surface import AwsSurface
from brownout.identity.core.messages import FORM_TYPE, Request, Response
from brownout.identity.core.nodes.management import Management

SERVICE = "cloudformation"

OPERATIONS: Mapping[str, Callable[[StackCall], Awaitable[StackResult]]] = {
    "ContinueUpdateRollback": stacks.continue_update_rollback,
    "CreateChangeSet": change_sets.create_change_set,
    "CreateStack": stacks.create_stack,
    "DeleteChangeSet": change_sets.delete_change_set,
    "DeleteStack": stacks.delete_stack,
    "DescribeChangeSet": change_sets.describe_change_set,
    "DescribeStackEvents": reading.describe_stack_events,
    "DescribeStackResource": reading.describe_stack_resource,
    "DescribeStackResources": reading.describe_stack_resources,
    "DescribeStacks": reading.describe_stacks,
    "ExecuteChangeSet": change_sets.execute_change_set,
    "GetTemplate": reading.get_template,
    "GetTemplateSummary": reading.get_template_summary,
    "ListChangeSets": change_sets.list_change_sets,
    "ListStackResources": reading.list_stack_resources,
    "ListStacks": reading.list_stacks,
    "RollbackStack": stacks.rollback_stack,
    "UpdateStack": stacks.update_stack,
    "UpdateTerminationProtection": stacks.update_termination_protection,
    "ValidateTemplate": reading.validate_template,
}

_ESCAPED_NAME = re.compile(rb"(?:^|&)[^=&]*[%+]")
_VERSION = re.compile(rb"(?:^|&)Version(?=[=&]|$)=?([^&]*)")
CHANGES = frozenset(name for name in OPERATIONS if not name.startswith(("Describe", "Get", "List", "Validate")))


class Provisioning(AwsSurface):
    """The surface of the provisioning service. It takes calls of CloudFormation's version and leaves IAM's."""

    def __init__(self, node: Management) -> None:
        annex = node.annexes[VENDOR]
        assert isinstance(annex, ManagementAnnex), "a management node has the account and its stacks"
        super().__init__(annex, SERVICE, OPERATIONS)
        self._annex = annex

    def takes(self, request: Request) -> bool:
        return is_query_request(request) and _version_of(request) == VERSIONS[SERVICE]

    async def answer(self, request: Request, asked: AskedOperation, request_id: str) -> tuple[Response, str]:
        caller = self._annex.authenticate(request, SERVICE, (self._annex.aws_region,))
        params = asked.call().params
        call = StackCall(self._annex, caller, self._annex.facts(request), asked.operation.action, params)
        name = asked.operation.name
        with self._annex.changing(_changed_by(call)) if name in CHANGES else nullcontext():
            return render(asked.operation, await OPERATIONS[name](call) or None, request_id), ""


def _version_of(request: Request) -> str | None:
    """The version of the API that a request is for, None where it names none.

    That of the form counts, and the last one in it. Every request of IAM comes by here, so that no form is taken apart for it
    whose names are without escapes.
    """
    if request.target != "/" or _ESCAPED_NAME.search(request.payload):
        return {**dict(request.query_fields), **dict(request.form)}.get("Version")
    found = _VERSION.findall(request.payload) if request.media_type == FORM_TYPE else ()
    return unquote_plus(found[-1].decode("latin-1")) if found else None


def _changed_by(call: StackCall) -> str:
    """What a call changes, by one name: the stack's, however the call names it."""
    given = str(call.params.get("StackName", ""))
    change_set = call.annex.change_sets.find(str(call.params.get("ChangeSetName", "")))
    stack = call.annex.stack(given) if change_set is None else call.annex.stack(change_set.stack_id)
    return given if stack is None else stack.name
