"""User names and passwords for single services."""

from __future__ import annotations

from support.iam_account import ACCOUNT, IamAccount

SERVICE = "codecommit.amazonaws.com"


def account() -> IamAccount:
    iam = IamAccount()
    for name in ("a", "b"):
        iam("CreateUser", UserName=name)
    return iam


def made(iam: IamAccount, user: str = "a") -> dict[str, str]:
    answer = iam("CreateServiceSpecificCredential", UserName=user, ServiceName=SERVICE)
    return dict(answer["ServiceSpecificCredential"])


def test_a_credential_is_made_reset_switched_off_and_deleted() -> None:
    """The password is told twice: when it is made and when it is reset, and then it is another one."""
    iam = account()
    first = made(iam)
    assert first["ServiceUserName"] == f"a-at-{ACCOUNT}"
    named = {"UserName": "a", "ServiceSpecificCredentialId": first["ServiceSpecificCredentialId"]}
    reset = iam("ResetServiceSpecificCredential", **named)["ServiceSpecificCredential"]
    assert reset["ServicePassword"] != first["ServicePassword"]
    iam("UpdateServiceSpecificCredential", Status="Inactive", **named)
    listed = iam("ListServiceSpecificCredentials", UserName="a", ServiceName=SERVICE)["ServiceSpecificCredentials"]
    assert [(each["Status"], "ServicePassword" in each) for each in listed] == [("Inactive", False)]
    assert iam.refused("DeleteServiceSpecificCredential", **named | {"UserName": "b"})[0] == "NoSuchEntity"
    iam("DeleteServiceSpecificCredential", **named)
    iam("DeleteUser", UserName="a")


def test_all_users_may_be_listed() -> None:
    """With AllUsers everybody's are told; otherwise those of one user."""
    iam = account()
    made(iam), made(iam, "b")
    assert len(iam("ListServiceSpecificCredentials", AllUsers=True)["ServiceSpecificCredentials"]) == 2
    assert len(iam("ListServiceSpecificCredentials", UserName="b")["ServiceSpecificCredentials"]) == 1
    other = iam("ListServiceSpecificCredentials", AllUsers=True, ServiceName="cassandra.amazonaws.com")
    assert other["ServiceSpecificCredentials"] == []


def test_two_for_each_service() -> None:
    """The second has a name of its own, a third is refused, and so is a service that has none."""
    iam = account()
    made(iam)
    assert made(iam)["ServiceUserName"] == f"a+1-at-{ACCOUNT}"
    assert iam.refused("CreateServiceSpecificCredential", UserName="a", ServiceName=SERVICE)[0] == "LimitExceeded"
    unknown = iam.refused("CreateServiceSpecificCredential", UserName="a", ServiceName="s3.amazonaws.com")
    assert unknown[0] == "NotSupportedService"
