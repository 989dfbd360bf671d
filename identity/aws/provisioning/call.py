"""One call of the provisioning service, and what the calls that declare a stack share: its form, read from parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from brownout.identity.aws.auth.caller import Caller, Session
from brownout.identity.aws.errors import AwsError, validation_error
from brownout.identity.aws.policy.context import RequestFacts
from brownout.identity.aws.protocol.services import Params
from brownout.identity.aws.provisioning.annex import ManagementAnnex
from brownout.identity.aws.provisioning.changes import ChangeSet
from brownout.identity.aws.provisioning.records import ProvisionedStack, StackForm
from brownout.identity.aws.provisioning.resources import KINDS
from brownout.identity.aws.provisioning.template import StackTemplate, parse_template
from brownout.identity.aws.sts.trust import RoleRequest, check_outsider, find_role, outsider

PRINCIPAL = "cloudformation.amazonaws.com"
SESSION_NAME = "AWSCloudFormation"


@dataclass(frozen=True, slots=True)
class StackCall:
    """A call that was understood and authenticated."""

    annex: ManagementAnnex
    caller: Caller
    facts: RequestFacts
    action: str
    params: Params

    def authorize(self, resource: str) -> None:
        """Raises AwsError AccessDenied unless the caller may do this call's action to `resource`."""
        self.annex.authorize(self.caller, self.action, resource, self.facts)

    def arn_of(self, name: str, unique: str) -> str:
        return f"arn:aws:cloudformation:{self.annex.aws_region}:{self.annex.account_id}:stack/{name}/{unique}"

    def stack(self) -> ProvisionedStack:
        """The stack that StackName means, once the caller is known to be allowed; raises AwsError."""
        name = str(self.params.get("StackName", ""))
        if not name:  # the model leaves it open, for calls that may name a change set instead
            raise validation_error("StackName is required.")
        return self.stack_called(name)

    def stack_called(self, name: str) -> ProvisionedStack:
        """The stack of that name or id, once the caller is known to be allowed; raises AwsError."""
        found = self.annex.stack(name)
        self.authorize(found.stack_id if found is not None else self.arn_of(name, "*"))
        if found is None:
            raise validation_error(f"Stack with id {name} does not exist")
        return found

    def change_set(self) -> ChangeSet:
        """The change set that ChangeSetName means, by its id or by its name in a stack; raises AwsError."""
        name = str(self.params["ChangeSetName"])
        if name.startswith("arn:"):
            found = self.annex.change_sets.find(name)
        elif not self.params.get("StackName"):
            raise validation_error("StackName must be specified if ChangeSetName is not specified as an ARN.")
        else:
            stack = self.stack()
            found = next((each for each in self.annex.change_sets.of(stack.stack_id) if each.name == name), None)
        self.authorize(found.stack_id if found is not None else "*")
        if found is None:
            raise AwsError.of("ChangeSetNotFound", f"ChangeSet [{name}] does not exist")
        return found


StackResult = Mapping[str, Any]


def declared(call: StackCall, before: ProvisionedStack | None = None) -> tuple[StackForm, StackTemplate]:
    """The form that a call gives a stack, whose outputs are not known yet, and its template; raises AwsError.

    What a call leaves open stays as it was `before`: tags and the role, and where it asks so the template and parameters.
    """
    params = call.params
    text = _template_text(params, before)
    template = parse_template(text, KINDS)
    capabilities = tuple(str(each) for each in params.get("Capabilities", ()))
    _check_capabilities(template, capabilities)
    parameters = _parameters(template, params, before)
    role_arn, caller = str(params.get("RoleARN", "")), None
    if not role_arn and before is not None and before.role_arn:
        role_arn, caller = before.role_arn, before.caller
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in params.get("Tags", ())}
    if "Tags" not in params and before is not None:
        tags = dict(before.tags)
    actor = acting(call, role_arn).to_json() if caller is None else caller
    return StackForm(text, parameters, actor, role_arn, capabilities, tags), template


def _template_text(params: Params, before: ProvisionedStack | None) -> str:
    if "TemplateURL" in params:
        raise validation_error("Template Body must be specified: templates are not fetched from elsewhere.")
    if params.get("UsePreviousTemplate"):
        if before is None or not before.template:
            raise validation_error("UsePreviousTemplate needs a stack that has a template.")
        if "TemplateBody" in params:
            raise validation_error("You cannot specify both UsePreviousTemplate and Template Body.")
        return before.template
    if "TemplateBody" not in params:
        raise validation_error("Either Template URL or Template Body must be specified.")
    return str(params["TemplateBody"])


def _check_capabilities(template: StackTemplate, given: tuple[str, ...]) -> None:
    """Raises AwsError InsufficientCapabilities unless the caller says that the template may make what IAM has."""
    for needed in capabilities_of(template):
        if not {needed, "CAPABILITY_NAMED_IAM"} & set(given):
            raise AwsError.of("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")


def capabilities_of(template: StackTemplate) -> list[str]:
    """The capability that a template needs: the stronger one where what IAM has gets a name of the template's own."""
    iam = [spec for spec in template.resources.values() if KINDS[spec.kind].is_iam]
    if any(KINDS[spec.kind].name in spec.properties for spec in iam):
        return ["CAPABILITY_NAMED_IAM"]
    return ["CAPABILITY_IAM"] if iam else []


def _parameters(template: StackTemplate, params: Params, before: ProvisionedStack | None) -> dict[str, str]:
    given: dict[str, str] = {}
    for each in params.get("Parameters", ()):
        name = str(each.get("ParameterKey", ""))
        if not each.get("UsePreviousValue"):
            given[name] = str(each.get("ParameterValue", ""))
        elif before is not None and name in before.parameters:
            given[name] = before.parameters[name]
        else:
            raise validation_error(
                f"Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a parameter key"
                " not in the previous template"
            )
    unknown = [name for name in given if name not in template.defaults]
    if unknown:
        raise validation_error(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, default in template.defaults.items() if default is None and name not in given]
    if missing:
        raise validation_error(f"Parameters: [{', '.join(missing)}] must have values")
    return {name: str(default) for name, default in template.defaults.items() if default is not None} | given


def acting(call: StackCall, role_arn: str) -> Caller:
    """Whose permissions the stack has: the caller's, or those of a role that the caller may pass; raises AwsError."""
    if not role_arn:
        return call.caller
    keys = {"iam:PassedToService": PRINCIPAL}
    call.annex.authorize(call.caller, "iam:PassRole", role_arn, call.facts, keys)
    role = find_role(call.annex.index, role_arn)
    try:
        if role is None:
            raise validation_error(f"Role {role_arn} does not exist")
        asked = RoleRequest("sts:AssumeRole", role, SESSION_NAME, call.facts)
        check_outsider(outsider("service", PRINCIPAL, call.annex.account_id), asked)
    except AwsError:
        raise validation_error(f"Role {role_arn} is invalid or cannot be assumed") from None
    now_s, account, region = call.facts.now_s, call.annex.account_id, call.annex.aws_region
    session = Session("", "", account, "assumed-role", role.arn, role.role_id, SESSION_NAME, now_s, now_s, region)
    return Caller.of_session(session, region, now_s)
