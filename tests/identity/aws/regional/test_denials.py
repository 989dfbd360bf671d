"""Messages of denials: sealed by one region, read by another, and by nobody else."""

from __future__ import annotations

import base64
import json

import pytest

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.policy.context import RequestContext, RequestPrincipal
from brownout.identity.aws.policy.evaluate import evaluate
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.regional.denials import AccessDeniedError, UnreadableMessage, read_message, seal_message
from support.aws_roles import allow, deny, document
from support.aws_signing import ids
from support.published_accounts import DAY_S, AccountMaker

NOW_S = 1_735_689_600.0
MAKER = AccountMaker(build_stack(seed=3, settings={}, vendors=("aws",)), NOW_S)
SYDNEY, MELBOURNE = MAKER.account("sydney"), MAKER.account("melbourne")
ALICE = "arn:aws:iam::123456789012:user/alice"


def denial() -> AccessDeniedError:
    principal = RequestPrincipal("user", "123456789012", ALICE, ALICE, "AIDA1")
    context = RequestContext("iam:GetUser", "*", principal, {"aws:username": ("alice",)})
    policy = parse_document(document(allow("iam:*"), deny("iam:GetUser", Sid="never")), "identity")
    return AccessDeniedError("no", context, evaluate(context, (policy,)))


def sealed() -> str:
    found = seal_message(denial(), SYDNEY, NOW_S, ids())
    assert found is not None
    return found


def test_another_region_reads_it() -> None:
    """The text has what AWS documents: the decision, the statements, the request."""
    told = json.loads(read_message(sealed(), MELBOURNE))
    assert (told["allowed"], told["explicitDeny"]) == (False, True)
    assert told["matchedStatements"]["items"] == [{"statementId": "never", "effect": "DENY", "policyType": "identity"}]
    assert told["context"]["principal"]["id"] == "AIDA1"
    assert told["context"]["conditions"]["items"] == [{"key": "aws:username", "values": {"items": [{"value": "alice"}]}}]


def test_nobody_else_does() -> None:
    """Another stack has other keys, and a changed message is none."""
    stranger = AccountMaker(build_stack(seed=4, settings={}, vendors=("aws",)), NOW_S).account("sydney")
    raw = bytearray(base64.urlsafe_b64decode(sealed()))
    raw[-1] ^= 1
    for text, account in ((sealed(), stranger), (base64.urlsafe_b64encode(raw).decode(), SYDNEY)):
        with pytest.raises(UnreadableMessage):
            read_message(text, account)


@pytest.mark.parametrize("text", ["", "A", "AAAA", "é", "////", "x" * 300])
def test_junk_is_no_message(text: str) -> None:
    """Whatever it is."""
    with pytest.raises(UnreadableMessage):
        read_message(text, SYDNEY)


def test_without_a_key_there_is_no_message() -> None:
    """A denial is a denial all the same."""
    assert seal_message(denial(), SYDNEY, NOW_S + 3 * DAY_S, ids()) is None
