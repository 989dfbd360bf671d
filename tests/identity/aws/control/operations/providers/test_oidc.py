"""OpenID Connect providers: named by their URLs, with audiences and thumbprints."""

from __future__ import annotations

from typing import Any

import pytest

from brownout.identity.aws.control.operations.providers import oidc
from support.iam_account import ACCOUNT, START_S, IamAccount

URL = "https://login.example.com/tenant/"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.com/tenant/"
UNKNOWN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/unknown"
PRINT = "a" * 40


@pytest.fixture
def account() -> IamAccount:
    """An account with one provider."""
    account = IamAccount()
    account(
        "CreateOpenIDConnectProvider",
        Url=URL,
        ClientIDList=["one", "two", "one"],
        ThumbprintList=[PRINT],
        Tags=[{"Key": "a", "Value": "b"}],
    )
    return account


def client_ids(account: IamAccount) -> list[str]:
    return list(account("GetOpenIDConnectProvider", OpenIDConnectProviderArn=ARN)["ClientIDList"])


def test_a_provider_shows_what_it_was_made_with(account: IamAccount) -> None:
    """Its URL without a scheme, each audience once."""
    assert account("GetOpenIDConnectProvider", OpenIDConnectProviderArn=ARN) == {
        "Url": URL.removeprefix("https://"),
        "ClientIDList": ["one", "two"],
        "ThumbprintList": [PRINT],
        "CreateDate": START_S,
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    assert account("ListOpenIDConnectProviders") == {"OpenIDConnectProviderList": [{"Arn": ARN}]}


def test_a_provider_needs_no_thumbprint(account: IamAccount) -> None:
    """It then has that of no certificate, since nobody is called to ask for one."""
    made = account("CreateOpenIDConnectProvider", Url="https://accounts.google.com")
    assert made == {"OpenIDConnectProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/accounts.google.com"}
    shown = account("GetOpenIDConnectProvider", **made)
    assert (shown["ClientIDList"], shown["ThumbprintList"]) == ([], ["0" * 40])


@pytest.mark.parametrize(
    ("action", "params", "error"),
    [
        (
            "CreateOpenIDConnectProvider",
            {"Url": URL},
            ("EntityAlreadyExists", f"Provider with url {URL} already exists."),
        ),
        (
            "CreateOpenIDConnectProvider",
            {"Url": "http://login.example.com"},
            ("ValidationError", "Invalid Open ID Connect Provider URL"),
        ),
        (
            "CreateOpenIDConnectProvider",
            {"Url": "https://new", "ThumbprintList": [f"{n}" * 40 for n in range(6)]},
            ("InvalidInput", "Thumbprint list must contain fewer than 5 entries."),
        ),
        (
            "CreateOpenIDConnectProvider",
            {"Url": "https://new", "ThumbprintList": ["x" * 40]},
            ("InvalidInput", "Thumbprint must be a hexadecimal SHA-1 digest."),
        ),
        (
            "CreateOpenIDConnectProvider",
            {"Url": "https://new", "ClientIDList": [str(n) for n in range(101)]},
            ("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100"),
        ),
        (
            "GetOpenIDConnectProvider",
            {"OpenIDConnectProviderArn": UNKNOWN},
            ("NoSuchEntity", f"OpenIDConnect Provider not found for arn {UNKNOWN}"),
        ),
        (
            "AddClientIDToOpenIDConnectProvider",
            {"OpenIDConnectProviderArn": UNKNOWN, "ClientID": "x"},
            ("NoSuchEntity", f"OpenIDConnect Provider not found for arn {UNKNOWN}"),
        ),
        (
            "GetOpenIDConnectProvider",
            {"OpenIDConnectProviderArn": f"arn:aws:iam::{ACCOUNT}:user/x"},
            ("InvalidInput", f"ARN arn:aws:iam::{ACCOUNT}:user/x is not valid."),
        ),
    ],
)
def test_what_is_refused(account: IamAccount, action: str, params: dict[str, Any], error: tuple[str, str]) -> None:
    """Each refusal has IAM's code and words."""
    assert account.refused(action, **params) == error


def test_audiences_come_and_go(account: IamAccount) -> None:
    """Adding one that is there and removing one that is not change nothing."""
    on = {"OpenIDConnectProviderArn": ARN}
    for client_id in ("three", "one"):
        account("AddClientIDToOpenIDConnectProvider", **on, ClientID=client_id)
    assert client_ids(account) == ["one", "two", "three"]
    for client_id in ("two", "four"):
        account("RemoveClientIDFromOpenIDConnectProvider", **on, ClientID=client_id)
    assert client_ids(account) == ["one", "three"]


def test_a_hundred_audiences_are_the_most(account: IamAccount) -> None:
    """One more is refused, one of them again is not."""
    on = {"OpenIDConnectProviderArn": ARN}
    for n in range(98):
        account("AddClientIDToOpenIDConnectProvider", **on, ClientID=str(n))
    account("AddClientIDToOpenIDConnectProvider", **on, ClientID="0")
    assert account.refused("AddClientIDToOpenIDConnectProvider", **on, ClientID="new")[0] == "LimitExceeded"


def test_thumbprints_are_replaced(account: IamAccount) -> None:
    """The new list takes the place of the old one as a whole."""
    on = {"OpenIDConnectProviderArn": ARN}
    account("UpdateOpenIDConnectProviderThumbprint", **on, ThumbprintList=["B" * 40, "c" * 40])
    assert account("GetOpenIDConnectProvider", **on)["ThumbprintList"] == ["B" * 40, "c" * 40]
    refused = account.refused("UpdateOpenIDConnectProviderThumbprint", **on, ThumbprintList=["x" * 40])
    assert refused[0] == "InvalidInput"


CONTEXT = {"SubjectSourceKey": "sub", "KeyDefinitionList": [{"SourceKey": "email", "TargetKey": "mail"}]}
INSTANCE = "arn:aws:sso:::instance/ssoins-0123456789abcdef"


def test_trusted_context_is_set_and_removed(account: IamAccount) -> None:
    """First the context provider, then the instance; the other way round when they go."""
    on = {"OpenIDConnectProviderArn": ARN}
    before = account("GetOpenIDConnectProvider", **on)
    account("UpdateOpenIDConnectProvider", **on, ContextProvider=CONTEXT)
    account("UpdateOpenIDConnectProvider", **on, IdentityCenterInstanceArn=INSTANCE)
    shown = {"ContextProvider": CONTEXT, "IdentityCenterInstanceArn": INSTANCE}
    assert account("GetOpenIDConnectProvider", **on) == {**before, **shown}
    assert account.refused("UpdateOpenIDConnectProvider", **on, RemoveContextProvider=True)[0] == "InvalidInput"
    account("UpdateOpenIDConnectProvider", **on, RemoveIdentityCenterInstance=True)
    account("UpdateOpenIDConnectProvider", **on, RemoveContextProvider=True)
    assert account("GetOpenIDConnectProvider", **on) == before


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"RemoveContextProvider": False},
        {"ContextProvider": CONTEXT, "RemoveContextProvider": True},
        {"IdentityCenterInstanceArn": INSTANCE, "RemoveIdentityCenterInstance": True},
        {"ContextProvider": CONTEXT, "IdentityCenterInstanceArn": INSTANCE},
        {"ContextProvider": CONTEXT, "RemoveIdentityCenterInstance": True},
    ],
)
def test_one_change_at_a_time(account: IamAccount, params: dict[str, Any]) -> None:
    """Nothing, a value with its removal, and both parts at once are refused."""
    assert account.refused("UpdateOpenIDConnectProvider", OpenIDConnectProviderArn=ARN, **params)[0] == "InvalidInput"


def test_deleting_twice_is_deleting_once(account: IamAccount) -> None:
    """A provider that does not exist is deleted without an error."""
    for _ in range(2):
        account("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=ARN)
    assert account("ListOpenIDConnectProviders") == {"OpenIDConnectProviderList": []}


def test_the_number_of_providers_is_limited(account: IamAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """The quota is told with its name and value."""
    monkeypatch.setattr(oidc, "MOST_PROVIDERS", 1)
    refused = account.refused("CreateOpenIDConnectProvider", Url="https://new")
    assert refused == ("LimitExceeded", "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 1")
