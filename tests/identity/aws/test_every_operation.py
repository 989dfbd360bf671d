"""Every operation of every service on a whole stack: an administrator's calls end in results or errors that clients read.

Values that name something are often those of something that exists, so calls get past the first check.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Mapping
from typing import Any

import pytest

from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.sigv4 import sign
from brownout.identity.aws.operations_page import built
from brownout.identity.aws.protocol.services import service
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.topology import REGIONS
from support.aws_directories import AwsStack, on_aws_stack
from support.aws_requests import botocore_model, received, sent
from support.aws_shapes import drawn, spoilt

NODES = {
    "iam": "sydney.management",
    "cloudformation": "sydney.management",
    "sts": "sydney.token.z1",
    "secretsmanager": "sydney.vault",
}
REGION = REGIONS["sydney"].aws_name
ROUNDS = 8  # calls per operation
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": json.loads(TRUST)}}
TEMPLATE = json.dumps({"Resources": {"Role": ROLE}})
# What the account has when the calls begin, by the names of parameters; {account} is its number.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "UserName": ("caller",),  # not the one that calls, who would soon have no permissions left
    "RoleName": ("app", "deployer"),
    "GroupName": ("staff",),
    "PolicyName": ("inline",),
    "InstanceProfileName": ("web",),
    "PolicyArn": ("arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::{account}:policy/own"),
    "RoleArn": ("arn:aws:iam::{account}:role/app",),
    "PolicySourceArn": ("arn:aws:iam::{account}:user/caller",),
    "PermissionsBoundary": ("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    "PolicyDocument": (POLICY,),
    "AssumeRolePolicyDocument": (TRUST,),
    "Policy": (POLICY,),
    "VersionId": ("v1",),
    "SecretId": ("sample",),
    "StackName": ("stack", "other"),
    "TemplateBody": (TEMPLATE,),
    "Marker": (),
    "NextToken": (),
}
PREPARED: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("CreateGroup", {"GroupName": "staff"}),
    ("CreatePolicy", {"PolicyName": "own", "PolicyDocument": POLICY}),
    ("PutUserPolicy", {"UserName": "caller", "PolicyName": "inline", "PolicyDocument": POLICY}),
    ("PutRolePolicy", {"RoleName": "app", "PolicyName": "inline", "PolicyDocument": POLICY}),
    ("PutGroupPolicy", {"GroupName": "staff", "PolicyName": "inline", "PolicyDocument": POLICY}),
)


class Calls:
    """An administrator's calls to a stack."""

    def __init__(self, stack: AwsStack, keys: Credentials) -> None:
        self._stack, self._keys = stack, keys

    async def call(self, name: str, action: str, params: Mapping[str, Any]) -> Response:
        """The answer to a call, which a real client's parser has read."""
        return await self.send(name, action, sent(botocore_model(name), action, dict(params)))

    async def send(self, name: str, action: str, unsigned: Request) -> Response:
        """The answer to a request, which this signs."""
        request = sign(unsigned, self._keys, service=name, region=REGION, now_s=self._stack.world.now(), host="127.0.0.1")
        answer = await self._stack.world.client(NODES[name], request, timeout_s=30)
        found = received(botocore_model(name), action, answer)
        assert found["ResponseMetadata"]["RequestId"], (action, answer)
        if answer.status == 200:
            return answer
        assert 400 <= answer.status < 500, (action, unsigned, answer)
        assert found["Error"]["Code"] not in ("Unknown", "", str(answer.status)), (action, answer)
        return answer


async def admin_calls(stack: AwsStack) -> Calls:
    told = await stack.control("GET", "/credentials", user="admin")
    assert told.status == 200, told
    body = told.body or {}
    await stack.wait(3)  # until every region has the account
    return Calls(stack, Credentials(str(body["access_key_id"]), str(body["secret_access_key"])))


def input_of(name: str, action: str, chance: random.Random, account_id: str) -> dict[str, Any]:
    """A drawn input whose names are mostly of things that exist."""
    operation = service(name).operation(action)
    assert operation is not None
    if operation.input is None or action not in built()[name]:
        return {}
    params = dict(drawn(operation.input, chance))
    for parameter, values in KNOWN.items():
        if parameter in params and chance.random() < 0.8:
            del params[parameter]
            if values:
                params[parameter] = (
                    chance.choice(values).format(account=account_id) if "{a" in values[-1] else chance.choice(values)
                )
    return params


@pytest.mark.parametrize("name", NODES)
def test_every_operation_answers(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A result that has all that the model requires, or an error with a code; never a defect, and never the service's fault."""

    async def story(stack: AwsStack) -> dict[str, int]:
        calls = await admin_calls(stack)
        for action, params in PREPARED:
            assert (await calls.call("iam", action, params)).status == 200, action
        await stack.wait(3)
        statuses = {}
        for number in range(ROUNDS):
            for action in service(name).operation_names:
                chance = random.Random(f"{number} {action}")
                answer = await calls.call(name, action, input_of(name, action, chance, stack.iam.account.account_id))
                statuses[f"{number} {action}"] = answer.status
        return statuses

    with caplog.at_level(logging.ERROR):
        statuses = on_aws_stack(story)
    assert not caplog.records
    good = sum(status == 200 for status in statuses.values())
    assert good > ROUNDS * len(built()[name]) // 10, "the calls get past the first check"


@pytest.mark.parametrize("name", NODES)
def test_spoilt_calls_are_answered_too(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A good call whose payload was damaged before it was signed, so that it passes every check of its signature."""

    async def story(stack: AwsStack) -> int:
        calls = await admin_calls(stack)
        chance, refusals = random.Random(name), 0
        for action in service(name).operation_names:
            params = input_of(name, action, chance, stack.iam.account.account_id)
            good = sent(botocore_model(name), action, params)
            for _ in range(4):
                bad = Request.raw("POST", "/", good.raw_headers, spoilt(good.payload, chance))
                refusals += (await calls.send(name, action, bad)).status != 200
        return refusals

    with caplog.at_level(logging.ERROR):
        assert on_aws_stack(story) > len(built()[name]), "spoiling spoils"
    assert not caplog.records
