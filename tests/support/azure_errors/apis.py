"""The errors of the protected APIs: Key Vault and the storage account."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from brownout.identity.azure.blobs.surface import StorageBlobs
from brownout.identity.core.messages import Request, Response
from support.azure_errors.endpoints import Provoke
from support.azure_errors.rows import ErrorRow, ErrorStack
from support.identity_stacks import VAULT

K, B = "Key Vault errors", "Storage errors"
STORAGE = "https://storage.azure.com"
VERSION = {"x-ms-version": "2025-01-05"}
BLOCK = {"x-ms-blob-type": "BlockBlob"}
LONG_ID = base64.b64encode(b"x" * 65).decode()
THROTTLED = {"capacity": {"vault": {"status": 429}}}
HELLO = "/samples/hello.txt"
Token = Callable[[ErrorStack], str]


def vault(
    on: ErrorStack, method: str, path: str, content: Mapping[str, Any] | None = None, *, token: str | None = None, **query: str
) -> Response:
    """A request to Sydney's vault by a machine that may do everything with secrets, or with another token ("" for none)."""
    bearer = on.writer(VAULT) if token is None else token
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    asked = {name: value for name, value in ({"api-version": "7.6"} | query).items() if value}
    return on.send("sydney.vault", Request(method, path, asked, headers, content))


def asking(method: str, path: str, content: Mapping[str, Any] | None = None, token: str | None = None, **query: str) -> Provoke:
    return lambda on: vault(on, method, path, content, token=token, **query)


def as_reader(method: str, path: str, content: Mapping[str, Any] | None = None) -> Provoke:
    """By a machine that may read secrets and no more."""
    return lambda on: vault(on, method, path, content, token=on.token("web-1", VAULT))


def after(*steps: Callable[[ErrorStack], Response]) -> Provoke:
    """What the last of several requests is answered; those before it succeed."""

    def provoke(on: ErrorStack) -> Response:
        *before, last = steps
        assert all(step(on).ok for step in before)
        return last(on)

    return provoke


def as_nobody(resource: str, ask: Callable[[ErrorStack, str], Response]) -> Provoke:
    """By a machine whose identity has been deleted since it got its token, and the region knows."""

    def provoke(on: ErrorStack) -> Response:
        token = on.token("web-3", resource)
        on.azure.delete(on.world.spec.identity("web-3-system").object_id)
        on.azure.settle()
        return ask(on, token)

    return provoke


def closed(ask: Provoke) -> Provoke:
    def provoke(on: ErrorStack) -> Response:
        on.writer(VAULT)  # its roles, while they can be given
        with on.thrown("sydney.vault", "admit", closed_s=3600.0):
            return ask(on)

    return provoke


def revoked(on: ErrorStack) -> Response:
    """A token that is older than what the vault was told to take."""
    token = on.writer(VAULT)
    on.world.run(on.world.sleep_until(on.world.now() + 2))
    with on.thrown("sydney.vault", "revoke-tokens"):
        return vault(on, "GET", "/secrets/sample", token=token)


def backed_up(on: ErrorStack) -> Response:
    """The backup of a secret is restored beside the secret itself."""
    backup = vault(on, "POST", "/secrets/sample/backup")
    return vault(on, "POST", "/secrets/restore", {"value": (backup.body or {})["value"]})


GONE = asking("DELETE", "/secrets/app-database")
VAULT_ROWS = (
    ErrorRow("vault no version", K, 400, "BadParameter", "must be specified", asking("GET", "/secrets", **{"api-version": ""})),
    ErrorRow(
        "vault unknown version", K, 400, "BadParameter", "not recognized", asking("GET", "/secrets", **{"api-version": "1.0"})
    ),
    ErrorRow("vault name", K, 400, "BadParameter", "invalid name", asking("PUT", "/secrets/a_b", {"value": "x"})),
    ErrorRow("vault no value", K, 400, "BadParameter", "value", asking("PUT", "/secrets/a", {})),
    ErrorRow("vault value too long", K, 400, "BadParameter", "longer", asking("PUT", "/secrets/a", {"value": "x" * 25_601})),
    ErrorRow("vault tags", K, 400, "BadParameter", "tags", asking("PUT", "/secrets/a", {"value": "x", "tags": "blue"})),
    ErrorRow("vault page size", K, 400, "BadParameter", "maxresults", asking("GET", "/secrets", maxresults="26")),
    ErrorRow("vault backup", K, 400, "BadParameter", "", asking("POST", "/secrets/restore", {"value": "nonsense"})),
    ErrorRow("vault no token", K, 401, "Unauthorized", "AKV10000", asking("GET", "/secrets/sample", token="")),
    ErrorRow("vault bad token", K, 401, "Unauthorized", "AKV10022", asking("GET", "/secrets/sample", token="x")),
    ErrorRow(
        "vault other audience",
        K,
        401,
        "Unauthorized",
        "AKV10022",
        lambda on: vault(on, "GET", "/secrets/sample", token=on.token("web-1", STORAGE)),
    ),
    ErrorRow("vault no role", K, 403, "Forbidden ForbiddenByRbac", "setSecret", as_reader("PUT", "/secrets/a", {"value": "x"})),
    ErrorRow(
        "vault disabled",
        K,
        403,
        "Forbidden SecretDisabled",
        "disabled",
        after(
            asking("PUT", "/secrets/off", {"value": "x", "attributes": {"enabled": False}}),
            asking("GET", "/secrets/off"),
        ),
    ),
    ErrorRow(
        "vault deleted identity",
        K,
        403,
        "Forbidden",
        "has been deleted",
        as_nobody(VAULT, lambda on, token: vault(on, "GET", "/secrets/sample", token=token)),
        fresh=True,
    ),
    ErrorRow("vault no secret", K, 404, "SecretNotFound", "none", asking("GET", "/secrets/none")),
    ErrorRow("vault no deleted secret", K, 404, "SecretNotFound", "Deleted Secret", asking("GET", "/deletedsecrets/none")),
    ErrorRow("vault revoked token", K, 401, "Unauthorized", "has been revoked", revoked),
    ErrorRow("vault no page", K, 404, "NotFound", "/keys", asking("GET", "/keys")),
    ErrorRow("vault verb", K, 405, "MethodNotAllowed", "POST", asking("POST", "/secrets/sample")),
    ErrorRow(
        "vault name is deleted",
        K,
        409,
        "Conflict ObjectIsDeletedButRecoverable",
        "recovered or purged",
        after(GONE, asking("PUT", "/secrets/app-database", {"value": "x"})),
    ),
    ErrorRow("vault restored over itself", K, 409, "Conflict", "already a secret", backed_up),
    ErrorRow(
        "vault throttled", K, 429, "Throttled", "too many", closed(asking("GET", "/secrets", token="x")), settings=THROTTLED
    ),
    ErrorRow("vault busy", K, 503, "ServiceUnavailable", "too many", closed(asking("GET", "/secrets", token="x"))),
)


def storage(method: str, path: str, data: bytes = b"", *, token: str | None = None, **headers: str) -> Provoke:
    """A request to Sydney's account by a machine that may do everything with blobs, with the headers named (`_` for `-`).

    Another token may be given, and a whole Authorization header; "" takes a header away.
    """

    def provoke(on: ErrorStack) -> Response:
        bearer = on.writer(STORAGE) if token is None else token
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        told = {"host": "brownoutsydney.blob.core.windows.net", "authorization": f"Bearer {bearer}", **VERSION, **named}
        lines = tuple((name.encode(), value.encode()) for name, value in told.items() if value)
        return on.send("sydney.vault", Request.raw(method, path, lines, data))

    return provoke


def put(path: str = "/samples/x", data: bytes = b"", **headers: str) -> Provoke:
    return storage("PUT", path, data, x_ms_blob_type="BlockBlob", **headers)


def too_large(on: ErrorStack) -> Response:
    """What the node's server has the account say of a payload over its limit."""
    surface = next(each for each in on.azure.node("sydney.vault").surfaces if isinstance(each, StorageBlobs))
    return surface.too_large(Request("PUT", HELLO), "too large")


STORAGE_ROWS = (
    ErrorRow("blob no token", B, 401, "NoAuthenticationInformation", "", storage("GET", HELLO, authorization="")),
    ErrorRow("blob bad token", B, 401, "InvalidAuthenticationInfo", "", storage("GET", HELLO, token="x")),
    ErrorRow(
        "blob other audience",
        B,
        401,
        "InvalidAuthenticationInfo",
        "",
        lambda on: storage("GET", HELLO, token=on.token("web-1", VAULT))(on),
    ),
    ErrorRow("blob other scheme", B, 403, "AuthenticationFailed", "", storage("GET", HELLO, authorization="Basic x")),
    ErrorRow(
        "blob shared key",
        B,
        403,
        "KeyBasedAuthenticationNotPermitted",
        "",
        storage("GET", HELLO, authorization="SharedKey a:b"),
    ),
    ErrorRow(
        "blob signed url", B, 403, "KeyBasedAuthenticationNotPermitted", "", storage("GET", f"{HELLO}?sig=x", authorization="")
    ),
    ErrorRow(
        "blob no role",
        B,
        403,
        "AuthorizationPermissionMismatch",
        "",
        lambda on: put(HELLO, token=on.token("web-1", STORAGE))(on),
    ),
    ErrorRow(
        "blob deleted identity",
        B,
        403,
        "AuthorizationFailure",
        "",
        as_nobody(STORAGE, lambda on, token: storage("GET", HELLO, token=token)(on)),
        fresh=True,
    ),
    ErrorRow("blob no container", B, 404, "ContainerNotFound", "", storage("GET", "/none/x")),
    ErrorRow("blob none", B, 404, "BlobNotFound", "", storage("GET", "/samples/none")),
    ErrorRow("blob verb", B, 405, "UnsupportedHttpVerb", "", storage("POST", HELLO)),
    ErrorRow("blob container twice", B, 409, "ContainerAlreadyExists", "", storage("PUT", "/samples?restype=container")),
    ErrorRow("blob twice", B, 409, "BlobAlreadyExists", "", put(HELLO, if_none_match="*")),
    ErrorRow("blob condition", B, 412, "ConditionNotMet", "condition", put(HELLO, if_match='"none"')),
    ErrorRow("blob unchanged", B, 304, "ConditionNotMet", "", storage("GET", HELLO, if_none_match="*")),
    ErrorRow("blob too large", B, 413, "RequestBodyTooLarge", "too large", too_large),
    ErrorRow("blob range", B, 416, "InvalidRange", "range", storage("GET", HELLO, range="bytes=18-")),
    ErrorRow("blob block id", B, 400, "InvalidBlockId", "Base64", put("/samples/x?comp=block&blockid=%21")),
    ErrorRow("blob block id too long", B, 400, "InvalidBlockId", "Base64", put(f"/samples/x?comp=block&blockid={LONG_ID}")),
    ErrorRow(
        "blob block id of another length",
        B,
        400,
        "InvalidBlobOrBlock",
        "",
        after(put("/samples/y?comp=block&blockid=YQ==", b"a"), put("/samples/y?comp=block&blockid=YWFhYWFh", b"a")),
    ),
    ErrorRow(
        "blob block list",
        B,
        400,
        "InvalidBlockList",
        "",
        put("/samples/x?comp=blocklist", b"<BlockList><Latest>YQ==</Latest></BlockList>"),
    ),
    ErrorRow("blob xml", B, 400, "InvalidXmlDocument", "", put("/samples/x?comp=blocklist", b"<")),
    ErrorRow("blob md5", B, 400, "Md5Mismatch", "", put(data=b"x", content_md5="AAAA")),
    ErrorRow("blob metadata", B, 400, "InvalidMetadata", "", put(**{"x_ms_meta_a.b": "1"})),
    ErrorRow("blob container's name", B, 400, "InvalidResourceName", "", storage("PUT", "/A_B?restype=container")),
    ErrorRow("blob name too long", B, 400, "InvalidUri", "", storage("GET", "/samples/" + "x" * 1025)),
    ErrorRow("blob no version", B, 400, "MissingRequiredHeader", "", storage("GET", "/?comp=list", x_ms_version="")),
    ErrorRow("blob old version", B, 400, "InvalidHeaderValue", "", storage("GET", "/?comp=list", x_ms_version="2009-09-19")),
    ErrorRow("blob page", B, 400, "UnsupportedHeader", "", storage("PUT", "/samples/x", x_ms_blob_type="PageBlob")),
    ErrorRow("blob words", B, 400, "InvalidQueryParameterValue", "", storage("GET", "/?comp=list&maxresults=few")),
    ErrorRow("blob no page", B, 400, "OutOfRangeQueryParameterValue", "", storage("GET", "/?comp=list&maxresults=0")),
    ErrorRow("blob lease", B, 400, "UnsupportedQueryParameter", "", storage("PUT", "/samples/x?comp=lease")),
    ErrorRow("blob throttled", B, 429, "ServerBusy", "retry", closed(storage("GET", HELLO, token="x")), settings=THROTTLED),
    ErrorRow("blob busy", B, 503, "ServerBusy", "retry", closed(storage("GET", HELLO, token="x"))),
)
ROWS = (*VAULT_ROWS, *STORAGE_ROWS)
