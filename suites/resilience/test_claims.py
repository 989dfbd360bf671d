"""What AWS documents of IAM's resilience, claim by claim, with real boto3 clients on the stack's virtual clock.

Claims are numbered as in docs/aws-resilience.md. Each has its control beside it: the same look at a stack on which it must
fail, or at what the claim does not promise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from brownout.harness.effects import LinkEffect, NodeEffect
from brownout.harness.world import Carrier
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.aws.auth.region_keys import day_of, key_of_day, region_key
from brownout.identity.core import trail
from brownout.identity.core.messages import Request
from support.iam_clients import DIRECTORY, IamStack, iam_stack
from support.simulated_aws import refusal, temporary

HOME, AWAY = "sydney", "melbourne"
STS, VAULT, FRONT = f"{AWAY}.token.z1", f"{AWAY}.vault", f"{AWAY}.management"
HOUR_S, DAY_S = 3600.0, 86_400.0
FEBRUARY_S = 1_707_523_200.0  # 2024-02-10
SLOW = 600.0  # seconds between publications, for stories of days
SETTLED_S = 3.0  # by then every replica has what was published every second


@pytest.fixture
def stack() -> Iterator[IamStack]:
    with iam_stack() as made:
        made.sleep(SETTLED_S)
        yield made


@contextmanager
def cut(stack: IamStack, *directions: tuple[str, str]) -> Iterator[None]:
    """Nothing passes between the regions, in these directions or in both."""
    links = [str(link) for link in stack.world.spec.links()]
    found = [
        link
        for source, target in directions or ((HOME, AWAY), (AWAY, HOME))
        for link in links
        if link.startswith(f"{source}.") and link.partition("->")[2].startswith(f"{target}.")
    ]
    assert found, "there are links between the regions"
    for link in found:
        stack.world.run(stack.world.hold(Carrier("link", link), "cut", LinkEffect("stall")))
    yield
    for link in found:
        stack.world.run(stack.world.release(Carrier("link", link), "cut"))


def served_by(stack: IamStack) -> list[str]:
    """The nodes behind the last answer, outermost first."""
    return [hop.node for hop in trail.parse(trail.of(stack.answers[-1]))]


def document(action: str, effect: str = "Allow", **more: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def code_of(call: Callable[..., Any], **params: Any) -> str:
    """The code of the error that the call gets, "" for a call that succeeds."""
    try:
        call(**params)
    except ClientError as refused:
        return str(refused.response["Error"]["Code"])
    return ""


def trusts_all() -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role_arn(stack: IamStack, name: str = "app") -> str:
    account: str = stack.client("sts", stack.credentials(), STS).get_caller_identity()["Account"]
    return f"arn:aws:iam::{account}:role/{name}"


def assume(stack: IamStack, node: str = STS, user: str = "caller", **params: Any) -> Any:
    sts = stack.client("sts", stack.credentials(user), node)
    return sts.assume_role(RoleArn=role_arn(stack), RoleSessionName="claims", **params)


def test_c2_regions_answer_while_the_control_plane_s_region_is_gone(stack: IamStack) -> None:
    """With every node of the home region down, the other region's STS answers, and says which node did."""
    keys = stack.credentials("caller")
    for node in stack.world.spec.nodes():
        if node.startswith(f"{HOME}."):
            stack.world.run(stack.world.hold(Carrier("node", node), "gone", NodeEffect("down")))
    assert stack.client("sts", keys, STS).get_caller_identity()["Arn"].endswith(":user/caller")
    assert served_by(stack) == [STS]


def test_c3_writes_are_the_control_plane_s_and_replicas_take_none(stack: IamStack) -> None:
    """A write from afar is served by the directory. STS knows no such action, and only the directory may feed a replica."""
    stack.iam(FRONT).create_user(UserName="c3")
    assert served_by(stack) == [FRONT, DIRECTORY]
    iam_at_sts = stack.client("iam", stack.credentials(), STS)
    assert refusal(iam_at_sts.create_user, UserName="c3-too").code in ("InvalidAction", "SignatureDoesNotMatch")
    raw = stack.internal(STS, "GET", "/aws/account").body
    forged = stack.world.run(stack.node(STS).handle(Request("PUT", "/_brownout/aws/account", body=raw)))
    assert forged.status == 401


def test_c4_a_service_asks_nobody_but_its_own_region(stack: IamStack) -> None:
    """A signed call of a sample service is answered by that service alone, with every link between regions cut."""
    with cut(stack):
        secret = stack.client("secretsmanager", stack.credentials("caller"), VAULT).get_secret_value(SecretId="sample")
    assert secret["SecretString"]
    assert served_by(stack) == [VAULT]


def test_c5_regions_hold_derived_keys_of_their_own_only(stack: IamStack) -> None:
    """Nothing that a region holds contains a secret; its key verifies its own scope, and the other region's is another."""
    keys = stack.credentials("caller")
    held = {node: json.dumps(stack.internal(node, "GET", "/aws/account").body, default=dict) for node in stack.holders()}
    assert len(held) == 10
    assert not [node for node, text in held.items() if keys.secret_access_key in text]
    day = day_of(stack.now_s)
    published = {
        node.split(".")[0]: stack.node(node).annexes["aws"].index.account.access_keys[keys.access_key_id]
        for node in (STS, f"{HOME}.token.z1")
    }
    for region, aws_region in ((AWAY, "ap-southeast-4"), (HOME, "ap-southeast-2")):
        key = published[region]
        found = key_of_day(key.region_keys[aws_region], key.first_day, day)
        assert found == region_key(keys.secret_access_key, day, aws_region)
        assert set(key.region_keys) == {aws_region, "us-east-1"}


def test_c6_long_term_keys_and_temporary_credentials_look_different(stack: IamStack) -> None:
    """A user's key begins with AKIA; a session's with ASIA, and is nothing without its token."""
    stack.iam().create_user(UserName="c6")
    assert stack.iam().create_access_key(UserName="c6")["AccessKey"]["AccessKeyId"].startswith("AKIA")
    session = temporary(assume(stack))
    assert session.access_key_id.startswith("ASIA")
    bare = Credentials(session.access_key_id, session.secret_access_key)
    assert refusal(stack.client("sts", bare, STS).get_caller_identity).code == "InvalidClientTokenId"


def test_c7_with_a_role_sts_is_called_first_and_the_service_with_its_token(stack: IamStack) -> None:
    """The service sees the role's session, not the user who assumed it."""
    session = temporary(assume(stack))
    assert stack.client("sts", session, STS).get_caller_identity()["Arn"].endswith(":assumed-role/app/claims")
    assert stack.client("secretsmanager", session, VAULT).get_secret_value(SecretId="sample")["SecretString"]


@pytest.mark.parametrize("directions", [(), ((HOME, AWAY),), ((AWAY, HOME),)], ids=["both ways", "from home", "to home"])
def test_c9_c10_c11_callers_are_known_and_judged_on_either_side_of_a_cut(
    stack: IamStack, directions: tuple[tuple[str, str], ...]
) -> None:
    """Users and sessions are let in for as long as it lasts; what policies deny is denied, and what they allow is not."""
    stack.iam().put_role_policy(RoleName="app", PolicyName="no", PolicyDocument=document("secretsmanager:ListSecrets", "Deny"))
    stack.sleep(SETTLED_S)
    session = temporary(assume(stack))
    with cut(stack, *directions):
        for _ in range(4):
            for region in (HOME, AWAY):
                for credentials in (stack.credentials("caller"), session):
                    assert stack.client("sts", credentials, f"{region}.token.z2").get_caller_identity()["Account"]
                vault = stack.client("secretsmanager", session, f"{region}.vault")
                assert vault.get_secret_value(SecretId="sample")["SecretString"]
                assert refusal(vault.list_secrets).code == "AccessDeniedException"
            stack.sleep(600)


@pytest.mark.parametrize(("horizon_days", "days_let_in"), [(400, 31), (0, 1)], ids=["as documented", "fragile"])
def test_c13_long_term_keys_authenticate_indefinitely(horizon_days: int, days_let_in: int) -> None:
    """Day by day over a month's end and a leap day. A region with one day's keys lets no caller in the day after."""
    seldom = {"iam_publish_interval_s": DAY_S, "publish_interval_s": DAY_S}
    with iam_stack(epoch_s=FEBRUARY_S, key_horizon_days=horizon_days, **seldom) as stack:
        keys = stack.credentials("caller")
        stack.sleep(SETTLED_S)
        sts = stack.client("sts", keys, STS)
        with cut(stack):
            found = []
            for _ in range(31):
                found.append(code_of(sts.get_caller_identity))
                stack.sleep(DAY_S)
        assert found == [""] * days_let_in + ["InvalidClientTokenId"] * (31 - days_let_in)


def issuing_calls(stack: IamStack) -> dict[str, Callable[[], Any]]:
    """The operations that issue temporary credentials and need no identity provider."""
    sts = stack.client("sts", stack.credentials("caller"), STS)
    arn = role_arn(stack)
    return {
        "AssumeRole": lambda: sts.assume_role(RoleArn=arn, RoleSessionName="claims"),
        "GetFederationToken": lambda: sts.get_federation_token(Name="claims"),
        "GetSessionToken": sts.get_session_token,
    }


def test_c14_c15_new_credentials_can_be_had_for_at_least_24_hours() -> None:
    """Hour by hour from the cut on, and they are of use. Then the region's last sealing key has ended, and it says so."""
    with iam_stack(iam_publish_interval_s=SLOW) as stack:
        stack.sleep(SLOW + 1)
        calls = issuing_calls(stack)
        found: dict[str, list[str]] = {name: [] for name in calls}
        with cut(stack):
            for _ in range(72):
                for name, call in calls.items():
                    found[name].append(code_of(lambda call=call: used(stack, call())))
                stack.sleep(HOUR_S)
            assert code_of(stack.client("sts", stack.credentials("caller"), STS).get_caller_identity) == "", "C13 goes on"
    hours = {name: codes.index("ServiceUnavailable") for name, codes in found.items()}
    assert all(24 < lasted < 72 for lasted in hours.values()), hours
    assert all(codes == [""] * hours[name] + ["ServiceUnavailable"] * (72 - hours[name]) for name, codes in found.items())


def used(stack: IamStack, issued: Any) -> None:
    """Calls STS with credentials that were just issued."""
    stack.client("sts", temporary(issued), STS).get_caller_identity()


WRITES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_user", {"UserName": "c16"}),
    ("create_group", {"GroupName": "c16"}),
    ("create_role", {"RoleName": "c16", "AssumeRolePolicyDocument": trusts_all()}),
    ("put_role_policy", {"RoleName": "app", "PolicyName": "c16", "PolicyDocument": document("s3:GetObject")}),
    ("attach_role_policy", {"RoleName": "app", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
    ("put_user_permissions_boundary", {"UserName": "caller", "PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
    ("create_access_key", {"UserName": "caller"}),
    ("delete_role_policy", {"RoleName": "app", "PolicyName": "secrets"}),
    ("update_assume_role_policy", {"RoleName": "app", "PolicyDocument": trusts_all()}),
)


@pytest.mark.parametrize(("call", "params"), WRITES, ids=[call for call, _ in WRITES])
def test_c16_c17_changes_from_beyond_the_cut_fail_whole(stack: IamStack, call: str, params: dict[str, Any]) -> None:
    """Each is refused as an outage, nothing of it is there after the heal, and then it can be made."""
    iam = stack.iam(FRONT)
    before = stack.iam().get_account_authorization_details()
    keys_before = stack.iam().list_access_keys(UserName="caller")["AccessKeyMetadata"]
    with cut(stack):
        refused = refusal(getattr(iam, call), **params)
        assert (refused.code, refused.status) == ("ServiceUnavailable", 503)
    stack.sleep(SETTLED_S)
    after = stack.iam().get_account_authorization_details()
    for found in (before, after):
        del found["ResponseMetadata"]
    assert (after, stack.iam().list_access_keys(UserName="caller")["AccessKeyMetadata"]) == (before, keys_before)
    getattr(iam, call)(**params)


def test_c17_session_policies_travel_with_the_call_and_work_in_a_cut(stack: IamStack) -> None:
    """They need no control plane: the article's guess that they are affected is not so."""
    with cut(stack):
        narrow = temporary(assume(stack, Policy=document("secretsmanager:DescribeSecret")))
        vault = stack.client("secretsmanager", narrow, VAULT)
        assert vault.describe_secret(SecretId="sample")["Name"] == "sample"
        assert refusal(vault.get_secret_value, SecretId="sample").code == "AccessDeniedException"


def test_c18_a_change_made_just_before_the_cut_shows_after_it(stack: IamStack) -> None:
    """The far region goes by the old policy until the heal and by the new one soon after; the near one at once."""
    session = temporary(assume(stack))
    stack.sleep(SETTLED_S)

    def read(region: str) -> str:
        return code_of(stack.client("secretsmanager", session, f"{region}.vault").get_secret_value, SecretId="sample")

    with cut(stack, (HOME, AWAY)):
        stack.iam().put_role_policy(RoleName="app", PolicyName="no", PolicyDocument=document("secretsmanager:*", "Deny"))
        stack.sleep(HOUR_S / 2)
        assert (read(HOME), read(AWAY)) == ("AccessDeniedException", "")
    stack.sleep(2 * SETTLED_S)
    assert (read(HOME), read(AWAY)) == ("AccessDeniedException", "AccessDeniedException")


def test_c19_c20_old_and_new_answers_alternate_until_all_are_new(stack: IamStack) -> None:
    """Replicas behind one endpoint get a change at different times, so that who asks again and again sees it come and go."""
    session = temporary(assume(stack))
    sts = [stack.client("sts", session, f"{AWAY}.token.{zone}") for zone in stack.world.spec.zones]

    def answers() -> list[bool]:
        """Whether each replica in its turn lets the session assume the role once more, twice round."""
        codes = [code_of(client.assume_role, RoleArn=arn, RoleSessionName="again") for client in (*sts, *sts)]
        assert set(codes) <= {"", "AccessDenied"}, codes
        return [not code for code in codes]

    arn = role_arn(stack)
    assert answers() == [False] * 6
    stack.hold(DIRECTORY, "pause-iam-replication", nodes=[f"{AWAY}.token.z2"])
    stack.iam().put_role_policy(RoleName="app", PolicyName="again", PolicyDocument=document("sts:AssumeRole"))
    stack.sleep(SETTLED_S)
    assert answers() == [True, False, True] * 2
    stack.release(DIRECTORY)
    stack.sleep(SETTLED_S)
    assert answers() == [True] * 6


def test_c24_a_fallback_to_roles_that_exist_works_where_making_one_does_not(stack: IamStack) -> None:
    """A job that makes a role of its own fails in the cut; the same job with a role that exists does not."""
    with cut(stack):
        trust = trusts_all()
        made = refusal(stack.iam(FRONT).create_role, RoleName="job", AssumeRolePolicyDocument=trust)
        assert made.code == "ServiceUnavailable"
        assert temporary(assume(stack)).session_token
