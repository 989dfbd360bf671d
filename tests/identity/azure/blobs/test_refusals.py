"""What the storage account refuses, and in which words: code in a header, code and message in XML."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.identity import ClientSecretCredential

from brownout.identity.azure.control.built_in_roles import STORAGE_BLOB_DATA_READER
from support.blob_clients import CONTRIBUTOR, VERSION, as_contributor, by_hand, refusal, service
from support.simulated_azure import SimulatedAzure, on_azure

BLOCK = {"x-ms-blob-type": "BlockBlob"}
LONG_ID = base64.b64encode(b"x" * 65).decode()
Hand = Callable[[SimulatedAzure], Any]


def put(azure: SimulatedAzure, path: str = "/samples/x", data: bytes = b"", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return by_hand(azure, "PUT", path, data=data, headers=BLOCK | named)


CASES: dict[str, tuple[Hand, int, str]] = {
    "no token": (lambda azure: by_hand(azure, "GET", "/samples/hello.txt", token=False), 401, "NoAuthenticationInformation"),
    "another scheme": (
        lambda azure: by_hand(azure, "GET", "/samples/hello.txt", token=False, headers={"Authorization": "Basic x"}),
        403,
        "AuthenticationFailed",
    ),
    "bad token": (
        lambda azure: by_hand(azure, "GET", "/samples/hello.txt", token=False, headers={"Authorization": "Bearer x"}),
        401,
        "InvalidAuthenticationInfo",
    ),
    "signed url": (
        lambda azure: by_hand(azure, "GET", "/samples/hello.txt?sig=x", token=False),
        403,
        "KeyBasedAuthenticationNotPermitted",
    ),
    "version that is none": (
        lambda azure: by_hand(azure, "GET", "/?comp=list", headers={"x-ms-version": "latest"}),
        400,
        "InvalidHeaderValue",
    ),
    "container unknown": (lambda azure: by_hand(azure, "GET", "/none/x"), 404, "ContainerNotFound"),
    "blob unknown": (lambda azure: by_hand(azure, "GET", "/samples/none"), 404, "BlobNotFound"),
    "blob of no container": (lambda azure: by_hand(azure, "GET", "/favicon.ico"), 400, "InvalidResourceName"),
    "container's name": (lambda azure: by_hand(azure, "PUT", "/A_B?restype=container"), 400, "InvalidResourceName"),
    "blob's name too long": (lambda azure: by_hand(azure, "GET", "/samples/" + "x" * 1025), 400, "InvalidUri"),
    "type missing": (lambda azure: by_hand(azure, "PUT", "/samples/x", data=b""), 400, "MissingRequiredHeader"),
    "page blob": (lambda azure: put(azure, x_ms_blob_type="PageBlob"), 400, "UnsupportedHeader"),
    "copy": (lambda azure: put(azure, x_ms_copy_source="https://x"), 400, "UnsupportedHeader"),
    "metadata's name": (lambda azure: put(azure, **{"x_ms_meta_a.b": "1"}), 400, "InvalidMetadata"),
    "other content": (lambda azure: put(azure, data=b"x", content_md5="AAAA"), 400, "Md5Mismatch"),
    "no block id": (lambda azure: put(azure, "/samples/x?comp=block"), 400, "InvalidBlockId"),
    "block id no base 64": (lambda azure: put(azure, "/samples/x?comp=block&blockid=%21"), 400, "InvalidBlockId"),
    "block id too long": (lambda azure: put(azure, f"/samples/x?comp=block&blockid={LONG_ID}"), 400, "InvalidBlockId"),
    "list no xml": (lambda azure: put(azure, "/samples/x?comp=blocklist", b"<"), 400, "InvalidXmlDocument"),
    "list with a type": (
        lambda azure: put(azure, "/samples/x?comp=blocklist", b"<!DOCTYPE a><BlockList/>"),
        400,
        "InvalidXmlDocument",
    ),
    "list of what is not there": (
        lambda azure: put(azure, "/samples/x?comp=blocklist", b"<BlockList><Latest>YQ==</Latest></BlockList>"),
        400,
        "InvalidBlockList",
    ),
    "range past the end": (
        lambda azure: by_hand(azure, "GET", "/samples/hello.txt", headers={"Range": "bytes=18-"}),
        416,
        "InvalidRange",
    ),
    "range that is none": (
        lambda azure: by_hand(azure, "GET", "/samples/hello.txt", headers={"Range": "lines=1-2"}),
        400,
        "InvalidHeaderValue",
    ),
    "time that is none": (
        lambda azure: by_hand(azure, "GET", "/samples/hello.txt", headers={"If-Modified-Since": "today"}),
        400,
        "InvalidHeaderValue",
    ),
    "page of nothing": (
        lambda azure: by_hand(azure, "GET", "/samples?restype=container&comp=list&maxresults=0"),
        400,
        "OutOfRangeQueryParameterValue",
    ),
    "page of words": (
        lambda azure: by_hand(azure, "GET", "/samples?restype=container&comp=list&maxresults=few"),
        400,
        "InvalidQueryParameterValue",
    ),
    "marker of nobody's": (
        lambda azure: by_hand(azure, "GET", "/samples?restype=container&comp=list&marker=!"),
        400,
        "InvalidQueryParameterValue",
    ),
    "kind of blocks": (
        lambda azure: by_hand(azure, "GET", "/samples/hello.txt?comp=blocklist&blocklisttype=x"),
        400,
        "InvalidQueryParameterValue",
    ),
    "operation unknown": (lambda azure: by_hand(azure, "PUT", "/samples/x?comp=lease"), 400, "UnsupportedQueryParameter"),
    "verb unknown": (lambda azure: by_hand(azure, "POST", "/samples/hello.txt"), 405, "UnsupportedHttpVerb"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_refusal_is_told_in_storages_shape(case: str) -> None:
    """Status and code of each; the code stands in a header and in the XML, beside the request's id."""
    change, status, code = CASES[case]

    def story(azure: SimulatedAzure) -> Any:
        azure.grant(azure.spec.identity("web-system").object_id, CONTRIBUTOR)
        return change(azure)

    answer = on_azure(story)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (status, code), answer.text
    root = ET.fromstring(answer.content)
    assert root.findtext("Code") == code
    assert f"RequestId:{answer.headers['x-ms-request-id']}" in str(root.findtext("Message"))


def test_a_block_id_is_as_long_as_the_others() -> None:
    """All blocks of a blob have ids of one length."""

    def story(account: Any, azure: SimulatedAzure) -> int:
        first = put(azure, "/samples/x?comp=block&blockid=YQ==", b"a")
        second = put(azure, "/samples/x?comp=block&blockid=YWFhYWFh", b"a")
        assert first.status_code == 201
        return int(second.status_code)

    assert as_contributor(story) == 400


@pytest.mark.parametrize(("token", "status"), [("", 401), ("nonsense", 401)])
def test_the_challenge_names_the_tenant_and_storage(token: str, status: int) -> None:
    """A client without a token, or with a bad one, learns where to get one and for what."""

    def story(azure: SimulatedAzure) -> tuple[Any, str]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return by_hand(azure, "GET", "/samples/hello.txt", token=False, headers=headers), azure.tenant

    answer, tenant = on_azure(story)
    assert answer.status_code == status
    authority = f"https://login.microsoftonline.com/{tenant}/oauth2/authorize"
    assert answer.headers["www-authenticate"] == f"Bearer authorization_uri={authority} resource_id=https://storage.azure.com"


def test_a_request_for_a_name_of_storage_needs_a_version() -> None:
    """A good token without `x-ms-version` is refused."""

    def story(azure: SimulatedAzure) -> str:
        return str(by_hand(azure, "GET", "/?comp=list", headers={"x-ms-version": ""}).headers["x-ms-error-code"])

    assert on_azure(story) == "MissingRequiredHeader"


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        ("https://storage.azure.com", 200),
        ("https://storage.azure.com/", 200),
        ("https://brownoutsydney.blob.core.windows.net", 200),
        ("https://brownoutmelbourne.blob.core.windows.net", 401),
        ("https://vault.azure.net", 401),
    ],
)
def test_only_tokens_for_storage_open_it(resource: str, status: int) -> None:
    """Audience isolation: the service's audience, or the account's own name, and no other account's."""

    def story(azure: SimulatedAzure) -> int:
        token = azure.credential().get_token(f"{resource}/.default").token
        headers = {"Authorization": f"Bearer {token}"}
        return int(by_hand(azure, "GET", "/?comp=list", token=False, headers=headers).status_code)

    assert on_azure(story) == status


def test_a_token_for_storage_opens_no_key_vault() -> None:
    """And the other way round: both are on one node."""

    def story(azure: SimulatedAzure) -> int:
        token = azure.credential().get_token("https://storage.azure.com/.default").token
        url = "https://brownout-sydney.vault.azure.net/secrets/sample?api-version=7.6"
        return azure.send(url, headers={"Authorization": f"Bearer {token}"}).status_code

    assert on_azure(story) == 401


def test_shared_keys_are_refused_to_real_clients() -> None:
    """The account takes tokens alone."""

    def story(azure: SimulatedAzure) -> tuple[int | None, str]:
        key = AzureNamedKeyCredential("brownoutsydney", "a2V5")
        return refusal(lambda: list(service(azure, key).list_containers()))

    assert on_azure(story) == (403, "KeyBasedAuthenticationNotPermitted")


def test_reading_is_a_role_and_writing_is_another() -> None:
    """Without a role nothing, with the reader's reads, with the contributor's at one container writes there alone."""

    def story(azure: SimulatedAzure) -> list[Any]:
        azure.grant(azure.spec.identity("web-system").object_id, CONTRIBUTOR)
        service(azure).create_container("theirs")
        application = azure.application.identity.object_id
        who = ClientSecretCredential(azure.tenant, azure.application.client_id, azure.secret, transport=azure.transport())
        account = service(azure, who)
        sample, theirs = account.get_blob_client("samples", "hello.txt"), account.get_blob_client("theirs", "x")
        seen: list[Any] = [refusal(sample.download_blob), refusal(lambda: list(account.list_containers()))]
        azure.grant(application, STORAGE_BLOB_DATA_READER)
        assert sample.download_blob().readall() == b"hello from sydney\n"
        seen += [refusal(sample.upload_blob, b"", overwrite=True), refusal(account.create_container, "mine")]
        group = f"/subscriptions/{azure.spec.subscription_id}/resourceGroups/load"
        at = f"{group}/providers/Microsoft.Storage/storageAccounts/brownoutsydney/blobServices/default/containers/theirs"
        azure.grant(application, CONTRIBUTOR, at)
        theirs.upload_blob(b"1")
        return [*seen, refusal(sample.delete_blob)]

    assert on_azure(story) == [(403, "AuthorizationPermissionMismatch")] * 5


def test_a_deleted_identity_is_refused_once_its_region_knows() -> None:
    """A good token of an identity with a tombstone opens nothing."""

    def story(azure: SimulatedAzure) -> list[Any]:
        token = azure.credential().get_token("https://storage.azure.com/.default").token
        headers = {"Authorization": f"Bearer {token}"}
        azure.delete(azure.spec.identity("web-system").object_id)
        before = by_hand(azure, "GET", "/?comp=list", token=False, headers=headers).status_code
        azure.settle()
        after = by_hand(azure, "GET", "/?comp=list", token=False, headers=headers)
        return [before, after.status_code, after.headers["x-ms-error-code"]]

    assert on_azure(story) == [200, 403, "AuthorizationFailure"]


def test_by_address_the_accounts_name_comes_first_in_the_path() -> None:
    """A client that came to a port of the node, and names a version of Storage, means the account, not Key Vault."""

    def story(azure: SimulatedAzure) -> int:
        from brownout.identity.core.messages import Request

        token = azure.credential().get_token("https://storage.azure.com/.default").token
        headers = {"host": "127.0.0.1:1", "authorization": f"Bearer {token}", **VERSION}
        return azure.call("sydney.vault", Request("GET", "/brownoutsydney/samples/hello.txt", {}, headers)).status

    assert on_azure(story) == 200


def test_an_oversized_blob_is_refused_in_storages_words() -> None:
    """64 MiB in one piece and no more; the server asks the surface for the limit and for the words."""

    def story(azure: SimulatedAzure) -> tuple[int, str]:
        from brownout.identity.azure.blobs.surface import StorageBlobs
        from brownout.identity.core.messages import Request

        surface = next(each for each in azure.node("sydney.vault").surfaces if isinstance(each, StorageBlobs))
        assert surface.payload_limit_bytes == 64 * 1024 * 1024
        answer = surface.too_large(Request("PUT", "/samples/x"), "too large")
        return answer.status, answer.headers["x-ms-error-code"]

    assert on_azure(story) == (413, "RequestBodyTooLarge")
