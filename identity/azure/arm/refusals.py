"""Why ARM does not let a call in: its token, its API version, the caller's roles, what it asks for.

Wire facts: docs/reference/azure-wire.md#arm-errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from brownout.identity.azure.arm.calls import ArmCall, ArmCaller
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import Response

_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z]+)?")
_CHALLENGE = 'Bearer authorization_uri="https://login.windows.net/{tenant}", error="invalid_token", error_description="{text}"'


def bad_token(tenant_id: str, code: str, text: str) -> Response:
    """The 401 of a missing or bad token, with the challenge that clients look for."""
    quoted = text.replace('"', "'").replace("\n", " ")
    challenge = _CHALLENGE.format(tenant=tenant_id, text=quoted.encode("ascii", "replace").decode())
    return error(401, code, text).with_headers({"www-authenticate": challenge})


def check_version(version: str) -> Response | None:
    """The refusal of a request without an `api-version`, or with one that is no date."""
    if not version:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        return error(400, "MissingApiVersionParameter", text)
    if _VERSION.fullmatch(version):
        return None
    return error(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")


def check_type_version(call: ArmCall, locations: Iterable[str]) -> Response | None:
    """The refusal of a version that the type does not have."""
    if call.version in call.route.api_versions:
        return None
    text = (
        f"No registered resource provider found for location '' and API version '{call.version}' for type "
        f"'{call.route.kind.partition('/')[2]}'. The supported api-versions are '{', '.join(call.route.api_versions)}'. "
        f"The supported locations are '{', '.join(locations)}'."
    )
    return error(400, "NoRegisteredProviderFound", text)


def unauthorized(caller: ArmCaller, action: str, scope: str) -> Response:
    text = (
        f"The client '{caller.shown_id}' with object id '{caller.object_id}' does not have authorization to perform action "
        f"'{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your "
        "credentials."
    )
    return error(403, "AuthorizationFailed", text)


def linked_unauthorized(caller: ArmCaller, action: str, scope: str, linked_action: str, linked: str) -> Response:
    text = (
        f"The client '{caller.shown_id}' with object id '{caller.object_id}' has permission to perform action '{action}' on "
        f"scope '{scope}'; however, it does not have permission to perform action(s) '{linked_action}' on the linked "
        f"scope(s) '{linked}' (respectively) or the linked scope(s) are invalid."
    )
    return error(403, "LinkedAuthorizationFailed", text)


def no_subscription(subscription: str) -> Response:
    return error(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")


def no_group(group: str) -> Response:
    return error(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def group_goes(group: str) -> Response:
    text = f"The resource group '{group}' is in deprovisioning state and cannot perform this operation."
    return error(409, "ResourceGroupBeingDeleted", text)


def no_resource(call: ArmCall) -> Response:
    """The 404 of a resource that is not there."""
    text = (
        f"The Resource '{call.route.kind}/{call.name}' under resource group '{call.group}' was not found. For more details "
        "please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return error(404, "ResourceNotFound", text)


def no_route(path: str) -> Response:
    """The 404 of a path that no type here has."""
    words = [word for word in path.split("/") if word]
    lower = [word.lower() for word in words]
    if "providers" in lower[:-1]:
        after = words[len(words) - lower[::-1].index("providers") :]
        if "." not in after[0]:
            return error(404, "InvalidResourceNamespace", f"The resource namespace '{after[0]}' is invalid.")
        kind = "/".join(after[1::2]) or after[0]
        text = f"The resource type '{kind}' could not be found in the namespace '{after[0]}'."
        return error(404, "InvalidResourceType", text)
    return error(404, "InvalidResourceType", f"The request path '{path}' is no resource.")


def not_allowed(call: ArmCall) -> Response:
    """The refusal of a verb that a path does not take."""
    text = f"The http method '{call.method}' is not supported at {call.path}."
    return error(405, "MethodNotAllowed", text).with_headers({"allow": ", ".join(call.route.verbs)})


def bad_content(problem: str) -> Response:
    return error(400, "InvalidRequestContent", f"The request content was invalid: {problem}.")


def unavailable() -> Response:
    text = "The control plane's directory does not answer."
    return error(503, "ServiceUnavailable", text)


def busy(status: int, why: str) -> Response:
    """What a front end says that has more to do than it can: 429 asks the caller to slow down, 503 speaks of the service."""
    if status == 429:
        return error(429, "TooManyRequests", f"The request is being throttled, please try again later: {why}.")
    return error(status, "ServiceUnavailable", f"The request cannot be served at the moment, please try again: {why}.")
