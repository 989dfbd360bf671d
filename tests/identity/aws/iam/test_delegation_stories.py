"""Delegation requests from the partner's first call to its credentials, with boto3, in both regions and through a cut."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.harness.effects import LinkEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.core.messages import Request
from support.iam_account import allow
from support.iam_clients import ACCOUNT_ID, DIRECTORY, OTHER_FRONT, IamStack, iam_stack
from support.simulated_aws import temporary

CHANNEL = "arn:aws:sns:us-east-1:111122223333:partner"
HOME_STS, OTHER_STS = "sydney.token.z1", "melbourne.token.z1"
TEMPLATE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "arn:aws:iam::*:user/@{users}"},
        {
            "Effect": "Allow",
            "Action": "iam:ListRoles",
            "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "@{secure}"}},
        },
    ],
}


@dataclass
class Delegation:
    """A stack with a policy template, a customer and a partner."""

    stack: IamStack
    template: str
    partner: Credentials
    customer: Credentials
    made: int = 0

    def user(self, name: str) -> str:
        return f"arn:aws:iam::{ACCOUNT_ID}:user/{name}"

    def create(self, **more: Any) -> str:
        """The id of a new request of the partner."""
        self.made += 1
        permissions = {
            "PolicyTemplateArn": self.template,
            "Parameters": [
                {"Name": "users", "Values": ["admin", "customer"], "Type": "stringList"},
                {"Name": "secure", "Values": ["false"], "Type": "string"},
            ],
        }
        given = {
            "Description": "reads users",
            "Permissions": permissions,
            "RequestorWorkflowId": f"workflow-{self.made}",
            "NotificationChannel": CHANNEL,
            "SessionDuration": 3600,
        }
        return str(self.iam(self.partner).create_delegation_request(**{**given, **more})["DelegationRequestId"])

    def iam(self, who: Credentials, front: str = "sydney.management") -> Any:
        return self.stack.iam_as(who, front)

    def state(self, request_id: str) -> str:
        told = self.iam(self.stack.credentials()).get_delegation_request(DelegationRequestId=request_id)
        return str(told["DelegationRequest"]["State"])

    def accepted(self, **more: Any) -> str:
        """A request that the customer has taken on and accepted."""
        request_id, iam = self.create(**more), self.iam(self.customer)
        iam.associate_delegation_request(DelegationRequestId=request_id)
        iam.accept_delegation_request(DelegationRequestId=request_id)
        return request_id

    def token(self, request_id: str) -> str:
        """The trade-in token as the partner's channel got it; "" for none."""
        asked = Request("GET", "/admin/aws/notifications", query={"channel": CHANNEL})
        answer = self.stack.world.run(self.stack.world.control(DIRECTORY, asked))
        assert answer.body is not None, answer
        found = [each for each in answer.body["notifications"] if each["delegation_request_id"] == request_id]
        return str(found[0]["trade_in_token"]) if found else ""

    def sent(self, **more: Any) -> str:
        request_id = self.accepted(**more)
        self.iam(self.customer).send_delegation_token(DelegationRequestId=request_id)
        return self.token(request_id)

    def trade_in(self, token: str, node: str = HOME_STS) -> dict[str, Any]:
        return dict(self.stack.client("sts", self.partner, node).get_delegated_access_token(TradeInToken=token))


@pytest.fixture(scope="module")
def delegation() -> Iterator[Delegation]:
    with iam_stack() as stack:
        iam = stack.iam()
        template = iam.create_policy(PolicyName="template", PolicyDocument=json.dumps(TEMPLATE))["Policy"]["Arn"]
        allowed = {"partner": ["iam:CreateDelegationRequest", "sts:GetDelegatedAccessToken"], "customer": ["iam:*"]}
        keys = []
        for name, actions in allowed.items():
            iam.create_user(UserName=name)
            iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=allow(*actions))
            key = iam.create_access_key(UserName=name)["AccessKey"]
            keys.append(Credentials(key["AccessKeyId"], key["SecretAccessKey"]))
        stack.sleep(5)
        yield Delegation(stack, template, *keys)


def test_a_partner_gets_the_approver_s_identity_and_no_more_than_was_asked_for(delegation: Delegation) -> None:
    """The credentials are the customer's, held to the filled-in template, and end when the session does."""
    traded = delegation.trade_in(delegation.sent())
    assert traded["AssumedPrincipal"] == delegation.user("customer")
    assert traded["Credentials"]["Expiration"].timestamp() == pytest.approx(delegation.stack.now_s + 3600, abs=5)
    keys = temporary(traded)
    seen = delegation.stack.client("sts", keys, HOME_STS).get_caller_identity()
    assert seen["Arn"] == delegation.user("customer")
    iam = delegation.iam(keys)
    assert iam.get_user(UserName="admin")["User"]["UserName"] == "admin"
    iam.list_roles()
    for call in (lambda: iam.get_user(UserName="partner"), lambda: iam.create_user(UserName="more")):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_a_region_that_is_cut_off_trades_tokens_in(delegation: Delegation) -> None:
    """The token holds the session: the other region exchanges it while it cannot reach the control plane."""
    token, stack = delegation.sent(), delegation.stack
    links = [link for link in stack.world.spec.links() if {link.source[:3], link.target[:3]} == {"syd", "mel"}]
    for link in links:
        stack.world.run(stack.world.hold(Carrier("link", str(link)), "cut", LinkEffect("refuse")))
    try:
        keys = temporary(delegation.trade_in(token, OTHER_STS))
        assert stack.client("sts", keys, OTHER_STS).get_caller_identity()["Arn"] == delegation.user("customer")
        with pytest.raises(ClientError, match="ServiceUnavailable"):
            delegation.iam(delegation.customer, OTHER_FRONT).list_delegation_requests()
    finally:
        for link in links:
            stack.world.run(stack.world.release(Carrier("link", str(link)), "cut"))


def test_a_token_ends_with_its_session(delegation: Delegation) -> None:
    """The session begins when the token is sent: what is traded in later lasts no longer, and then nothing is."""
    token = delegation.sent(SessionDuration=300)
    delegation.stack.sleep(200)
    ends_s = delegation.trade_in(token)["Credentials"]["Expiration"].timestamp()
    assert ends_s - delegation.stack.now_s < 101
    delegation.stack.sleep(101)
    sts = delegation.stack.client("sts", delegation.partner, HOME_STS)
    with pytest.raises(sts.exceptions.ExpiredTradeInTokenException):
        sts.get_delegated_access_token(TradeInToken=token)


def test_tokens_are_not_taken_for_one_another(delegation: Delegation) -> None:
    """A session token is no trade-in token; a trade-in token signs nothing; what was changed is refused; so is who may not."""
    token = delegation.sent()
    session = temporary(delegation.trade_in(token))
    for wrong in (session.session_token, token[:-4] + "AAAA", "x"):
        with pytest.raises(ClientError, match="trade-in token is not valid"):
            delegation.trade_in(wrong)
    forged = Credentials("ASIAIOSFODNN7EXAMPLE", "", token)
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        delegation.stack.client("sts", Credentials(forged.access_key_id, "secret", token), HOME_STS).get_caller_identity()
    with pytest.raises(ClientError, match="AccessDenied"):
        delegation.stack.client("sts", delegation.customer, HOME_STS).get_delegated_access_token(TradeInToken=token)


def test_the_states_of_a_request(delegation: Delegation) -> None:
    """Each call moves a request on from the states it may be in, and is InvalidInput in any other."""
    request_id, iam = delegation.create(), delegation.iam(delegation.customer)
    known = {"DelegationRequestId": request_id}
    assert delegation.state(request_id) == "UNASSIGNED"
    for early in (iam.accept_delegation_request, iam.send_delegation_token, iam.update_delegation_request):
        with pytest.raises(ClientError, match="InvalidInput"):
            early(**known)
    iam.associate_delegation_request(**known)
    assert delegation.state(request_id) == "ASSIGNED"
    iam.update_delegation_request(**known, Notes="please")
    told = iam.get_delegation_request(**known)["DelegationRequest"]
    assert (told["State"], told["Notes"], told["OwnerId"]) == ("PENDING_APPROVAL", "please", delegation.user("customer"))
    iam.accept_delegation_request(**known)
    assert delegation.state(request_id) == "ACCEPTED"
    assert delegation.token(request_id) == ""
    iam.reject_delegation_request(**known, Notes="no")
    told = iam.get_delegation_request(**known)["DelegationRequest"]
    assert (told["State"], told["RejectionReason"]) == ("REJECTED", "no")
    with pytest.raises(ClientError, match="is in state REJECTED"):
        iam.send_delegation_token(**known)
    final = delegation.accepted()
    iam.send_delegation_token(DelegationRequestId=final)
    assert delegation.state(final) == "FINALIZED"
    with pytest.raises(ClientError, match="is in state FINALIZED"):
        iam.reject_delegation_request(DelegationRequestId=final)


def test_requests_are_listed_by_owner_in_pages(delegation: Delegation) -> None:
    """One without an owner is in no list."""
    mine, nobodys = delegation.accepted(), delegation.create()
    iam = delegation.iam(delegation.customer)
    owned = {"OwnerId": delegation.user("customer"), "MaxItems": 1}
    told = iam.list_delegation_requests(**owned)
    found = [each["DelegationRequestId"] for each in told["DelegationRequests"]]
    while told["isTruncated"]:
        assert len(found) < delegation.made, "pages repeat"
        told = iam.list_delegation_requests(**owned, Marker=told["Marker"])
        found += [each["DelegationRequestId"] for each in told["DelegationRequests"]]
    assert mine in found
    assert nobodys not in found
    assert iam.list_delegation_requests(OwnerId=delegation.user("admin"))["DelegationRequests"] == []


def test_only_the_owner_sends_where_the_partner_says_so(delegation: Delegation) -> None:
    """The administrator may do anything and is refused all the same."""
    request_id = delegation.accepted(OnlySendByOwner=True)
    with pytest.raises(ClientError, match="Only the owner"):
        delegation.iam(delegation.stack.credentials()).send_delegation_token(DelegationRequestId=request_id)
    delegation.iam(delegation.customer).send_delegation_token(DelegationRequestId=request_id)


def test_a_permission_check_says_what_the_caller_could_delegate(delegation: Delegation) -> None:
    """The customer has all of IAM, but the condition leaves it open; the partner may not even look."""
    request_id = delegation.create()
    iam = delegation.iam(delegation.customer)
    told = iam.get_delegation_request(DelegationRequestId=request_id, DelegationPermissionCheck=True)
    assert (told["PermissionCheckStatus"], told["PermissionCheckResult"]) == ("COMPLETE", "UNSURE")
    summary = iam.get_human_readable_summary(EntityArn=f"arn:aws:iam::{ACCOUNT_ID}:delegation-request/{request_id}")
    assert summary["SummaryState"] == "NOT_SUPPORTED"
    with pytest.raises(ClientError, match="AccessDenied"):
        delegation.iam(delegation.partner).get_delegation_request(DelegationRequestId=request_id)
    other = delegation.stack.iam().create_policy(PolicyName="wide", PolicyDocument=allow("s3:GetObject"))["Policy"]["Arn"]
    wide = delegation.create(Permissions={"PolicyTemplateArn": other})
    told = iam.get_delegation_request(DelegationRequestId=wide, DelegationPermissionCheck=True)
    assert told["PermissionCheckResult"] == "DENIED"
    told = delegation.stack.iam().get_delegation_request(DelegationRequestId=wide, DelegationPermissionCheck=True)
    assert told["PermissionCheckResult"] == "ALLOWED"


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"OwnerAccountId": "999999999999"}, "InvalidInput"),
    ({"NotificationChannel": "mail:somebody"}, "InvalidInput"),
    ({"Permissions": {"PolicyTemplateArn": "arn:aws:iam::aws:policy/NoSuchPolicy"}}, "InvalidInput"),
    ({"RequestorWorkflowId": "workflow-1"}, "EntityAlreadyExists"),
)


def test_wrong_requests_are_refused(delegation: Delegation) -> None:
    """Each with its code; a template without all its parameters makes no request; an unknown request is NoSuchEntity."""
    delegation.create()
    for changed, code in WRONG:
        with pytest.raises(ClientError, match=code):
            delegation.create(**changed)
    with pytest.raises(ClientError, match="no value was given for"):
        delegation.create(Permissions={"PolicyTemplateArn": delegation.template})
    for name in ("get", "accept", "reject", "associate", "update"):
        call = getattr(delegation.iam(delegation.customer), f"{name}_delegation_request")
        with pytest.raises(ClientError, match="NoSuchEntity"):
            call(DelegationRequestId="dr-00000000-0000-0000-0000-000000000000")
