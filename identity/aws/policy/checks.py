"""What IAM says about a policy of an identity that is grammatical and still wrong.

Wire facts: docs/reference/aws-wire.md#malformed-policy-documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from brownout.identity.aws.errors import malformed_policy_document
from brownout.identity.aws.policy.conditions import split_operator
from brownout.identity.aws.policy.syntax import VERSION_2012, WrittenPolicy, WrittenStatement
from brownout.identity.aws.policy.values import date

LEGACY = "The policy failed legacy parsing"
OLD_VERSION = "Policy document must be version 2012-10-17 or greater."
HAS_PRINCIPAL = "Policy document should not specify a principal."
SAME_SID = "Statement IDs (SID) in a single policy must be unique."
NO_ACTIONS = "Policy statement must contain actions."
NO_RESOURCES = "Policy statement must contain resources."
NO_VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
SECOND_COLON = "Actions/Condition can contain only one colon."
RESOURCE_VENDOR = "Resource vendor must be fully qualified and cannot contain regexes."
IAM_PATHS = (
    *("user/", "federated-user/", "role/", "group/", "instance-profile/", "mfa/", "server-certificate/", "policy/"),
    *("sms-mfa/", "saml-provider/", "oidc-provider/", "report/", "access-report/"),
)
WHOLE_IAM_RESOURCES = ("*", "root")  # without a path
PARTITIONS = ("aws", "*")

_VENDOR = re.compile(r"[A-Za-z0-9.-]*")


def check(policy: WrittenPolicy, *, needs_version: bool) -> None:
    """Raise AwsError MalformedPolicyDocument for the first fault; `needs_version` is so for managed policies."""
    _refuse_if(any(statement.principals is not None for statement in policy.statements), HAS_PRINCIPAL)
    _refuse_if(needs_version and policy.version != VERSION_2012, OLD_VERSION)
    for statement in policy.statements:
        check_legacy(statement)
    resource_fault = _first_resource_fault(policy)
    check_sids(policy)
    _refuse_if(not all(statement.actions for statement in policy.statements), NO_ACTIONS)
    _refuse_if(not all(statement.resources for statement in policy.statements), NO_RESOURCES)
    _refuse_if(bool(resource_fault), resource_fault)
    for statement in policy.statements:
        check_actions(statement)


def _refuse_if(fault: bool, message: str) -> None:
    if fault:
        raise malformed_policy_document(message)


def check_legacy(statement: WrittenStatement) -> None:
    """What an older parser refuses: an effect in wrong case, a date that is none."""
    _refuse_if(statement.effect not in ("Allow", "Deny"), LEGACY)
    for name, keys in statement.conditions.items():
        operator = split_operator(name)
        if operator is not None and operator.base.startswith("Date"):
            _refuse_if(any(date(value) is None for values in keys.values() for value in values), LEGACY)


def check_sids(policy: WrittenPolicy) -> None:
    sids = [statement.sid for statement in policy.statements if statement.sid]
    _refuse_if(len(set(sids)) != len(sids), SAME_SID)


def check_actions(statement: WrittenStatement) -> None:
    for action in statement.actions or ():
        _refuse_if(action != "*" and ":" not in action, NO_VENDOR)
        _refuse_if(action.count(":") > 1, SECOND_COLON)
        vendor = action.partition(":")[0]
        _refuse_if(vendor != "*" and not _VENDOR.fullmatch(vendor), f"Vendor {vendor} is not valid")


def _first_resource_fault(policy: WrittenPolicy) -> str:
    """What is wrong with the first resource that is, "" for none. Until one is, the older parser has a say too."""
    for statement in policy.statements:
        for resource in statement.resources or ():
            fault = resource_fault(resource)
            if fault:
                return fault
        for resource in statement.resources or ():
            _refuse_if(_fails_legacy(resource), LEGACY)
    return ""


def _fails_legacy(resource: str) -> bool:
    """An ARN without a vendor, or one with empty parts that is not whole."""
    return resource != "*" and (resource.split(":")[2] == "" or (resource.count(":") < 5 and "::" in resource))


def resource_fault(resource: str) -> str:
    """The message about a resource that is no ARN of this partition, "" for a good one."""
    if resource == "*":
        return ""
    if ":" not in resource:
        return f'Resource {resource} must be in ARN format or "*".'
    parts = resource.split(":", 5)
    if parts[1] not in PARTITIONS:
        return f'Partition "{parts[1]}" is not valid for resource "{":".join(_whole_arn(parts))}".'
    if len(parts) < 3 or "*" in parts[2] or "?" in parts[2]:
        return RESOURCE_VENDOR
    return next(_service_faults(resource, parts), "")


def _whole_arn(parts: list[str]) -> list[str]:
    """Six parts, those that are missing as `*`."""
    rest = parts[2:] if parts[2:] != [""] else []
    return ["arn", parts[1], *rest, *("*" for _ in range(4 - len(rest)))]


def _service_faults(resource: str, parts: list[str]) -> Iterator[str]:
    _, _, service, region, account, path = [*parts, *("" for _ in range(6 - len(parts)))]
    if service == "iam":
        if region:
            yield f"IAM resource {resource} cannot contain region information."
        if path not in WHOLE_IAM_RESOURCES and not path.startswith(IAM_PATHS):
            yield f'IAM resource path must either be "*" or start with {", ".join(IAM_PATHS)}.'
    if service == "s3" and region and not account:
        yield f"Resource {resource} can not contain region information."
