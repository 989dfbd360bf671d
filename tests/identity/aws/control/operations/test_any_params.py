"""Whatever parameters the service model lets in, an operation answers or refuses: none breaks."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from botocore.model import Shape

from brownout.identity.aws.control.registry import all_operations
from brownout.identity.aws.errors import AwsError
from support.certificates import certificate_and_key, rsa_public_key
from support.iam_account import ACCOUNT, ADMINISTRATOR_ACCESS, EC2_TRUST, IamAccount, allow, iam_model

NAMES = ("a", "B", "g", "r", "nobody")
TEXTS: dict[str, tuple[str, ...]] = {
    "document": (allow("s3:*"), EC2_TRUST, "{}", "[]", "null", '{"Version": "2012-10-17"}', "not json", '{"Statement": 1}'),
    "body": (certificate_and_key("one")[0], rsa_public_key("one")[0], rsa_public_key("one")[1], "x", "-----BEGIN"),
    "key": (certificate_and_key("one")[1], certificate_and_key("two")[1], "x"),
    "arn": (
        ADMINISTRATOR_ACCESS,
        f"arn:aws:iam::{ACCOUNT}:policy/p",
        f"arn:aws:iam::{ACCOUNT}:user/a",
        "arn:aws:iam::x",
        "x" * 20,
    ),
    "path": ("/", "/x/", "/x/y/"),
    "code": ("000000", "123456"),
    "password": ("Abcdefg1!", "x", "ü" * 9),
    "url": ("https://id.example", "https://id.example/x", "http://x", "x"),
    "marker": ("YQ==", "x", "%%"),
    "service": ("codecommit.amazonaws.com", "autoscaling.amazonaws.com", "x.amazonaws.com"),
}


class Params:
    """Parameters drawn from the shapes of the service model."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def value(self, shape: Shape, name: str) -> Any:
        chance = self.chance
        if shape.type_name == "structure":
            wanted = [each for each in shape.members if each in shape.required_members or chance.random() < 0.5]
            return {each: self.value(shape.members[each], each) for each in wanted}
        if shape.type_name == "list":
            return [self.value(shape.member, name) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
        if shape.type_name == "integer":
            least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 1000)
            return chance.choice((least, most, min(least + 1, most)))
        if shape.type_name == "boolean":
            return chance.random() < 0.5
        if shape.type_name == "timestamp":
            return 1_700_000_000.0
        assert shape.type_name == "string", shape.type_name
        return chance.choice(shape.enum) if getattr(shape, "enum", None) else self.text(name.lower())

    def text(self, name: str) -> str:
        for word, texts in TEXTS.items():
            if word in name:
                return self.chance.choice(texts)
        return self.chance.choice((*NAMES, "".join(self.chance.choices(string.ascii_letters, k=16))))


def account() -> IamAccount:
    """An account with one of most things."""
    iam = IamAccount()
    for name in ("a", "B"):
        iam("CreateUser", UserName=name)
    iam("CreateGroup", GroupName="g")
    iam("AddUserToGroup", GroupName="g", UserName="a")
    iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=EC2_TRUST)
    iam("CreatePolicy", PolicyName="p", PolicyDocument=allow("s3:*"))
    iam("CreateLoginProfile", UserName="a", Password="Abcdefg1!")
    return iam


def outcome(iam: IamAccount, action: str, params: dict[str, Any]) -> tuple[str, str]:
    """Code and message of what the operation says to the parameters."""
    try:
        iam.run(action, params)
    except AwsError as refused:
        return refused.code, refused.message
    return "OK", "OK"


@pytest.mark.parametrize("action", sorted(all_operations()))
def test_no_parameters_break_an_operation(action: str) -> None:
    """Each of forty draws has a result of the model's shape, or an error with a code and a message."""
    shape, iam = iam_model().operation_model(action).input_shape, account()
    drawn = [Params(seed).value(shape, "") if shape is not None else {} for seed in range(40)]
    assert all(code and message for code, message in (outcome(iam, action, params) for params in drawn))
