"""Storage's blob service on the vault: which request is its own, who calls, and which operation it is.

Wire facts: docs/reference/azure-wire.md#storage-blobs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from brownout.identity.azure.blobs import blob_operations as blobs
from brownout.identity.azure.blobs import container_operations as containers
from brownout.identity.azure.blobs.blob_errors import BlobError, bad_header, missing_header
from brownout.identity.azure.blobs.calls import BLOBS, CONTAINERS, BlobCall, BlobOperation, Level, answer, check_names
from brownout.identity.azure.blobs.xml import error_document, http_date
from brownout.identity.azure.data import places
from brownout.identity.azure.data.callers import ApiCaller, Callers, DeletedCallerError
from brownout.identity.azure.names import BLOB_SUFFIX, storage_account
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.vault import Vault
from brownout.identity.core.ports import BadToken
from brownout.identity.core.surface import Overloaded, Served

AUDIENCE = "https://storage.azure.com"
VERSION_HEADER = "x-ms-version"
BEARER_SINCE = "2017-11-09"  # the first version of the service that takes tokens
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}")
READ, WRITE, DELETE, ADD = (f"{BLOBS}/{verb}" for verb in ("read", "write", "delete", "add/action"))

_LIST_BLOBS = BlobOperation(containers.list_blobs, (READ,))
_GET_CONTAINER = BlobOperation(containers.get_container, (f"{CONTAINERS}/read",), data=False)
_GET_BLOB = BlobOperation(blobs.get_blob, (READ,))
# By what the request is about, its method and `comp`.
OPERATIONS: Mapping[tuple[Level, str, str], BlobOperation] = {
    ("service", "GET", "list"): BlobOperation(containers.list_containers, (f"{CONTAINERS}/read",), data=False),
    ("container", "PUT", ""): BlobOperation(containers.create_container, (f"{CONTAINERS}/write",), data=False),
    ("container", "GET", ""): _GET_CONTAINER,
    ("container", "HEAD", ""): _GET_CONTAINER,
    ("container", "PUT", "metadata"): BlobOperation(containers.set_container_metadata, (f"{CONTAINERS}/write",), data=False),
    ("container", "GET", "metadata"): _GET_CONTAINER,
    ("container", "DELETE", ""): BlobOperation(containers.delete_container, (f"{CONTAINERS}/delete",), data=False),
    ("container", "GET", "list"): _LIST_BLOBS,
    ("blob", "PUT", ""): BlobOperation(blobs.put_blob, (WRITE, ADD)),
    ("blob", "PUT", "block"): BlobOperation(blobs.stage_block, (WRITE, ADD)),
    ("blob", "PUT", "blocklist"): BlobOperation(blobs.commit_blocks, (WRITE, ADD)),
    ("blob", "GET", "blocklist"): BlobOperation(blobs.list_blocks, (READ,)),
    ("blob", "GET", ""): _GET_BLOB,
    ("blob", "HEAD", ""): _GET_BLOB,
    ("blob", "PUT", "metadata"): BlobOperation(blobs.set_blob_metadata, (WRITE,)),
    ("blob", "GET", "metadata"): BlobOperation(blobs.get_blob, (READ,)),
    ("blob", "PUT", "properties"): BlobOperation(blobs.set_blob_headers, (WRITE,)),
    ("blob", "DELETE", ""): BlobOperation(blobs.delete_blob, (DELETE,)),
}
COMPS = frozenset(comp for _, _, comp in OPERATIONS)


class StorageBlobs:
    """The surface. It takes requests for a name of the blob service, and any that names a version of Storage."""

    payload_limit_bytes = 64 * 1_048_576  # what azure-storage-blob sends in one piece at most, unless it is told otherwise

    def __init__(self, node: Vault) -> None:
        self._node = node
        own = f"https://{storage_account(node.region)}{BLOB_SUFFIX}"
        self._callers = Callers(node, (AUDIENCE, f"{AUDIENCE}/", own, f"{own}/"))

    def takes(self, request: Request) -> bool:
        return _is_named(request) or VERSION_HEADER in request.headers

    def too_large(self, request: Request, text: str) -> Response:
        return self._sealed(request, self._refused(BlobError("RequestBodyTooLarge"), request))

    def busy(self, request: Request, refusal: Overloaded) -> Response:
        busy = BlobError("ServerBusy")
        busy.status = refusal.status
        return self._sealed(request, self._refused(busy, request))

    async def serve(self, request: Request) -> Served:
        try:
            response = await self._answer(request)
        except BlobError as refused:
            response = self._refused(refused, request)
        return Served(self._sealed(request, response), self._node.hop())

    def _sealed(self, request: Request, response: Response) -> Response:
        """The answer with what every answer of Storage says."""
        told = {
            "server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
            VERSION_HEADER: request.headers.get(VERSION_HEADER, ""),
            "x-ms-client-request-id": request.headers.get("x-ms-client-request-id", ""),
            "x-ms-request-id": response.headers.get("x-ms-request-id") or self._node.ports.new_id(),
            "date": http_date(self._node.ports.now()),
        }
        return response.with_headers({name: value for name, value in told.items() if value})

    def _refused(self, refused: BlobError, request: Request) -> Response:
        request_id = self._node.ports.new_id()
        headers = {"x-ms-error-code": refused.code, "x-ms-request-id": request_id, **refused.headers}
        payload = b"" if refused.status == 304 else error_document(refused, request_id, self._node.ports.now())
        return answer(refused.status, headers, payload, "application/xml")

    async def _answer(self, request: Request) -> Response:
        """Raises BlobError."""
        if not self._node.ready:
            raise BlobError("ServerBusy")
        caller = await self._identify(request)
        _check_version(request)
        container, blob = _place(request)
        check_names(container, blob)
        operation = _find(request, container, blob)
        self._authorize(caller, operation, container)
        return await operation.run(self._call(request, container, blob))

    def _call(self, request: Request, container: str, blob: str) -> BlobCall:
        ports = self._node.ports
        etag = f'"0x8D{ports.new_id().replace("-", "")[:13].upper()}"'
        url = places.account_url(self._node, request)
        return BlobCall(self._callers.annex.blobs, request, container, blob, url, ports.now(), etag)

    async def _identify(self, request: Request) -> ApiCaller:
        """The caller; raises BlobError. Keys and signed URLs are refused: the account takes tokens alone."""
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        if scheme in ("sharedkey", "sharedkeylite") or "sig" in request.query:
            raise BlobError("KeyBasedAuthenticationNotPermitted")
        if not scheme:
            raise BlobError("NoAuthenticationInformation", headers=self._challenge())
        if scheme != "bearer":
            raise BlobError("AuthenticationFailed", more={"AuthenticationErrorDetail": f"Unsupported scheme {scheme}."})
        try:
            return await self._callers.identify(request)
        except BadToken as bad:
            raise BlobError(
                "InvalidAuthenticationInfo", more={"AuthenticationErrorDetail": str(bad)}, headers=self._challenge()
            ) from None
        except DeletedCallerError:
            raise BlobError("AuthorizationFailure") from None

    def _challenge(self) -> Mapping[str, str]:
        authority = f"https://login.microsoftonline.com/{self._node.stack.tenant_id}/oauth2/authorize"
        return {"www-authenticate": f"Bearer authorization_uri={authority} resource_id={AUDIENCE}"}

    def _authorize(self, caller: ApiCaller, operation: BlobOperation, container: str) -> None:
        """Raises BlobError unless a role of the caller's has one of the operation's actions at the container or above it."""
        account = places.account_id(self._node)
        scope = f"{account}/blobServices/default/containers/{container}" if container else account
        if not any(self._callers.may(caller, action, scope, data=operation.data) for action in operation.actions):
            raise BlobError("AuthorizationPermissionMismatch")


def _is_named(request: Request) -> bool:
    return request.headers.get("host", "").partition(":")[0].lower().endswith(BLOB_SUFFIX)


def _check_version(request: Request) -> None:
    """Raises BlobError for a request that names no version of Storage, or one that is none."""
    version = request.headers.get(VERSION_HEADER, "")
    if not version:
        raise missing_header(VERSION_HEADER)
    if _VERSION.fullmatch(version) is None or version < BEARER_SINCE:
        raise bad_header(VERSION_HEADER, version)


def _place(request: Request) -> tuple[str, str]:
    """Container and blob of the path, "" for what it does not name. By address the account's name comes before them."""
    path = request.path.lstrip("/")
    if not _is_named(request):
        path = path.partition("/")[2]
    container, _, blob = path.partition("/")
    return container, blob


def _find(request: Request, container: str, blob: str) -> BlobOperation:
    """Raises BlobError for an operation that there is not."""
    level: Level = "blob" if blob else "container" if container else "service"
    comp = request.query.get("comp", "").lower()
    if level == "container" and request.query.get("restype", "").lower() != "container":
        raise BlobError("ContainerNotFound")  # it would be a blob of the root container, which this account has not
    found = OPERATIONS.get((level, request.method, comp))
    if found is None:
        raise BlobError("UnsupportedQueryParameter" if comp not in COMPS or level == "service" else "UnsupportedHttpVerb")
    return found
