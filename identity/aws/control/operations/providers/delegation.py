"""Delegation requests: a partner asks for access, an identity of the account takes the request on, approves and releases it.

The trade-in token, for which STS gives the partner credentials, is sealed here with the key that regions seal with, so that any
region exchanges it without asking the control plane. It goes to the request's notification channel and nowhere else: who stands
for the partner reads it with a control request. Wire facts: docs/reference/aws-wire.md#delegation-requests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from brownout.identity.aws.auth.caller import CALLER_KINDS, Caller, Session
from brownout.identity.aws.auth.sealing import newest_key, seal
from brownout.identity.aws.auth.trade_in import mark_of
from brownout.identity.aws.control.operations.paging import page
from brownout.identity.aws.control.operations.policies.known import find_policy
from brownout.identity.aws.control.operations.providers.delegated_permissions import checked_permissions
from brownout.identity.aws.control.registry import OperationParams, OperationResult, operation
from brownout.identity.aws.control.transaction import Transaction
from brownout.identity.aws.errors import (
    AwsError,
    access_denied,
    entity_already_exists,
    invalid_input,
    limit_exceeded,
    no_such_entity,
)
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.records.credentials import Secret
from brownout.identity.aws.records.delegation import Approver, DelegationRequest, PolicyParameter
from brownout.identity.aws.records.settings import SealingKey

DAY_S = 86_400.0
UNASSIGNED_S, OWNED_S = DAY_S, 7 * DAY_S
MOST_REQUESTS = 100  # open ones
UNASSIGNED, ASSIGNED, PENDING, ACCEPTED, FINALIZED, REJECTED, EXPIRED = (
    "UNASSIGNED",
    "ASSIGNED",
    "PENDING_APPROVAL",
    "ACCEPTED",
    "FINALIZED",
    "REJECTED",
    "EXPIRED",
)
_OPEN = (UNASSIGNED, ASSIGNED, PENDING, ACCEPTED)


@operation("CreateDelegationRequest")
def create_delegation_request(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    owner_account, workflow = str(params.get("OwnerAccountId", "")), params["RequestorWorkflowId"]
    if owner_account not in ("", tx.account_id):
        raise invalid_input(f"The account {owner_account} is not known.")
    if not params["NotificationChannel"].startswith("arn:aws:sns:"):
        raise invalid_input("The notification channel must be the ARN of an SNS topic.")
    known = [_current(each, tx.now_s) for each in tx.table(DelegationRequest).values()]
    if any(each.workflow_id == workflow for each in known):
        raise entity_already_exists(f"A delegation request with the workflow ID {workflow} already exists.")
    if sum(each.state in _OPEN for each in known) >= MOST_REQUESTS:
        raise limit_exceeded(f"Cannot exceed quota for DelegationRequestsPerAccount: {MOST_REQUESTS}")
    arn, parameters = str(params["Permissions"].get("PolicyTemplateArn", "")), _parameters(params["Permissions"])
    made = DelegationRequest(
        f"dr-{tx.new_uuid()}",
        workflow,
        params["Description"],
        arn,
        _filled(tx, arn, parameters),
        params["NotificationChannel"],
        int(params["SessionDuration"]),
        tx.now_s,
        tx.now_s + UNASSIGNED_S,
        UNASSIGNED,
        tx.account_id,
        parameters,
        str(params.get("RequestMessage", "")),
        str(params.get("RedirectUrl", "")),
        bool(params.get("OnlySendByOwner", False)),
        owner_account,
        updated_s=tx.now_s,
    )
    tx.put(made)
    link = f"https://signin.aws.amazon.com/iam/delegation-request?requestId={made.request_id}"
    return {"DelegationRequestId": made.request_id, "ConsoleDeepLink": link}


def _parameters(permissions: Mapping[str, Any]) -> tuple[PolicyParameter, ...]:
    """The parameters; raises InvalidInput for values that are not of the type."""
    found = []
    for each in permissions.get("Parameters", ()):
        name, values = str(each.get("Name", "")), tuple(str(value) for value in each.get("Values", ()))
        is_list = each.get("Type", "string") == "stringList"
        if not name or not values or (len(values) > 1 and not is_list):
            raise invalid_input(f"The policy parameter {name} needs a name and, unless it is a stringList, one value.")
        found.append(PolicyParameter(name, values, is_list))
    return tuple(found)


def _filled(tx: Transaction, arn: str, parameters: tuple[PolicyParameter, ...]) -> str:
    """The document of the template of that ARN, with its placeholders `@{NAME}` filled in; raises InvalidInput."""
    template = find_policy(tx, arn) if ":policy/" in arn else None
    if template is None:
        raise invalid_input(f"The policy template {arn} is not known.")
    document = _put_in(json.loads(template.document), {f"@{{{each.name}}}": each for each in parameters})
    text = json.dumps(document)
    if "@{" in text:
        raise invalid_input(f"The policy template {arn} has parameters that no value was given for.")
    try:
        parse_document(text, "session")
    except AwsError as wrong:
        raise invalid_input(f"The policy template {arn} makes no policy with these parameters: {wrong.message}") from None
    return text


def _put_in(value: Any, by_placeholder: Mapping[str, PolicyParameter]) -> Any:
    """The value with each placeholder replaced; a text with the placeholder of a list becomes a text for each of its values."""
    if isinstance(value, dict):
        return {key: _put_in(item, by_placeholder) for key, item in value.items()}
    if isinstance(value, list):
        items = [_put_in(item, by_placeholder) for item in value]
        return [each for item in items for each in (item if isinstance(item, list) else [item])]
    if not isinstance(value, str):
        return value
    texts, is_list = [value], False
    for placeholder, parameter in by_placeholder.items():
        if placeholder in value:
            texts = [text.replace(placeholder, each) for text in texts for each in parameter.values]
            is_list = is_list or parameter.is_list
    return texts if is_list else texts[0]


@operation("GetDelegationRequest")
def get_delegation_request(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    found = _known(tx, params)
    told: dict[str, Any] = {"DelegationRequest": _shape(found)}
    if params.get("DelegationPermissionCheck"):
        told |= {"PermissionCheckStatus": "COMPLETE", "PermissionCheckResult": checked_permissions(tx, caller, found.policy)}
    return told


@operation("ListDelegationRequests")
def list_delegation_requests(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """Requests that have an owner, of one or of all."""
    requests, wanted = tx.table(DelegationRequest), params.get("OwnerId")
    keys = [key for key in requests.sorted_keys if requests[key].owner and wanted in (None, requests[key].owner)]
    found = page(params, keys)
    shown = found.result("DelegationRequests", [_shape(_current(requests[key], tx.now_s)) for key in found.keys])
    return {"isTruncated" if name == "IsTruncated" else name: value for name, value in shown.items()}


@operation("AssociateDelegationRequest")
def associate_delegation_request(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    found = _in_state(_known(tx, params), UNASSIGNED)
    owned = replace(found, owner=caller.arn, owner_account=caller.account_id)
    tx.put(_moved(owned, ASSIGNED, tx.now_s, OWNED_S))


@operation("UpdateDelegationRequest")
def update_delegation_request(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    found = _in_state(_known(tx, params), ASSIGNED, PENDING)
    tx.put(_moved(replace(found, notes=params.get("Notes", found.notes)), PENDING, tx.now_s, OWNED_S))


@operation("AcceptDelegationRequest")
def accept_delegation_request(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    found = _in_state(_known(tx, params), ASSIGNED, PENDING)
    if caller.kind not in ("user", "assumed-role"):
        raise access_denied("Only users and roles can accept a delegation request.")
    session = caller.session
    approver = Approver(caller.arn, caller.kind, caller.principal_arn, caller.user_id.partition(":")[0])
    if session is not None:
        approver = Approver(
            caller.arn,
            caller.kind,
            caller.principal_arn,
            session.principal_id,
            session.name,
            session.session_policies,
            session.policy_arns,
            session.scopes,
            session.tags,
            session.source_identity,
        )
    tx.put(_moved(replace(found, approver=approver), ACCEPTED, tx.now_s, OWNED_S))


@operation("RejectDelegationRequest")
def reject_delegation_request(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    found = _in_state(_known(tx, params), ASSIGNED, PENDING, ACCEPTED)
    tx.put(_moved(replace(found, rejection=params.get("Notes", "")), REJECTED, tx.now_s, OWNED_S))


@operation("SendDelegationToken")
def send_delegation_token(tx: Transaction, params: OperationParams, caller: Caller) -> None:
    found = _in_state(_known(tx, params), ACCEPTED)
    if found.only_owner_sends and caller.arn != found.owner:
        raise access_denied("Only the owner of the delegation request can send its token.")
    key = newest_key(tx.table(SealingKey).values(), tx.now_s)
    if key is None:
        raise AwsError.of("ServiceFailure", "There is no key to seal a delegation token with.")
    token = seal(_delegated(tx, found), key, tx.new_uuid)
    sent = _moved(found, FINALIZED, tx.now_s, OWNED_S)
    tx.put(sent, Secret(mark_of(found.request_id), token))


def _delegated(tx: Transaction, found: DelegationRequest) -> Session:
    """The session that the partner gets: the approver's, held to what was asked for, from now on."""
    by = found.approver
    assert by is not None, "an accepted request has an approver"
    (kind,) = (each for each in CALLER_KINDS if each == by.kind)
    return Session(
        mark_of(found.request_id),
        "",
        tx.account_id,
        kind,
        by.principal_arn,
        by.principal_id,
        by.session_name,
        tx.now_s,
        tx.now_s + found.session_s,
        "",
        by.session_policies,
        by.policy_arns,
        by.tags,
        source_identity=by.source_identity,
        chained=True,
        scopes=(*by.scopes, found.policy),
    )


@operation("GetHumanReadableSummary")
def get_human_readable_summary(tx: Transaction, params: OperationParams, caller: Caller) -> OperationResult:
    """No summary: the real one is written by a language model."""
    arn = str(params["EntityArn"])
    if ":delegation-request/" not in arn:
        raise invalid_input(f"The entity {arn} is no delegation request.")
    _known(tx, {"DelegationRequestId": arn.rpartition("/")[2]})
    return {"SummaryState": "NOT_SUPPORTED", "Locale": params.get("Locale", "en")}


def _known(tx: Transaction, params: OperationParams) -> DelegationRequest:
    """The request as it is now; raises NoSuchEntity."""
    found = tx.get(DelegationRequest, params["DelegationRequestId"])
    if found is None:
        raise no_such_entity(f"Delegation request {params['DelegationRequestId']} cannot be found.")
    return _current(found, tx.now_s)


def _current(found: DelegationRequest, now_s: float) -> DelegationRequest:
    return replace(found, state=EXPIRED) if found.expires_s <= now_s else found


def _in_state(found: DelegationRequest, *states: str) -> DelegationRequest:
    """The request; raises InvalidInput for one in another state."""
    if found.state not in states:
        raise invalid_input(f"Delegation request {found.request_id} is in state {found.state}.")
    return found


def _moved(found: DelegationRequest, state: str, now_s: float, lasts_s: float) -> DelegationRequest:
    return replace(found, state=state, updated_s=now_s, expires_s=now_s + lasts_s)


def _shape(found: DelegationRequest) -> Mapping[str, Any]:
    """A request as IAM tells it."""
    parameters = [
        {"Name": each.name, "Values": list(each.values), "Type": "stringList" if each.is_list else "string"}
        for each in found.parameters
    ]
    told = {
        "DelegationRequestId": found.request_id,
        "OwnerAccountId": found.owner_account or None,
        "Description": found.description,
        "RequestMessage": found.message or None,
        "Permissions": {"PolicyTemplateArn": found.template_arn, "Parameters": parameters},
        "PermissionPolicy": found.policy,
        "OwnerId": found.owner or None,
        "ApproverId": None if found.approver is None else found.approver.arn,
        "State": found.state,
        "ExpirationTime": found.expires_s,
        "RequestorId": found.requestor_account,
        "CreateDate": found.created_s,
        "SessionDuration": found.session_s,
        "RedirectUrl": found.redirect_url or None,
        "Notes": found.notes or None,
        "RejectionReason": found.rejection or None,
        "OnlySendByOwner": found.only_owner_sends,
        "UpdatedTime": found.updated_s,
    }
    return {name: value for name, value in told.items() if value is not None}
