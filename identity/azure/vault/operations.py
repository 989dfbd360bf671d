"""What Key Vault does with secrets, one function each, and which data action each takes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from brownout.identity.azure.data.annex import AzureVaultAnnex
from brownout.identity.azure.data.secrets import SecretEdition, VaultSecret
from brownout.identity.azure.vault import bundles
from brownout.identity.azure.vault.vault_errors import (
    bad_parameter,
    deleted_secret_not_found,
    disabled,
    name_exists,
    name_is_deleted,
    not_a_page,
    secret_not_found,
    wrong_method,
)
from brownout.identity.core.messages import Request, Response, decode_json, encode_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ACTIONS = "Microsoft.KeyVault/vaults/secrets/"
MOST_ON_A_PAGE = 25
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class SecretCall:
    """One request that may be served: `name` and `version` are those of its path, `url` is the vault's."""

    annex: AzureVaultAnnex
    request: Request
    name: str
    version: str
    url: str

    @property
    def now_s(self) -> float:
        return self.annex.vault.ports.now()

    @property
    def body(self) -> Mapping[str, Any]:
        """The JSON object that was sent; raises VaultError where there is none."""
        found = self.request.body
        if found is None:
            raise bad_parameter("The request has no body.")
        return found

    def secret(self) -> VaultSecret:
        """The secret that the path names; raises VaultError."""
        found = self.annex.secrets().get(self.name.lower())
        if found is None or found.deleted_s is not None:
            raise secret_not_found(self.name)
        return found

    def deleted_secret(self) -> VaultSecret:
        """The same for one that was deleted."""
        found = self.annex.secrets().get(self.name.lower())
        if found is None or found.deleted_s is None:
            raise deleted_secret_not_found(self.name)
        return found

    def edition(self, secret: VaultSecret) -> SecretEdition:
        """The version that the path names, else the newest; raises VaultError."""
        found = secret.edition(self.version)
        if found is None:
            raise secret_not_found(f"{self.name}/{self.version}")
        return found

    def new_version(self) -> str:
        return self.annex.vault.ports.new_id().replace("-", "")


@dataclass(frozen=True, slots=True)
class SecretOperation:
    """One operation; `action` is what follows ACTIONS in the data action that it takes."""

    action: str
    run: Callable[[SecretCall], Awaitable[Response]]


async def set_secret(call: SecretCall) -> Response:
    name = bundles.checked_name(call.name)
    known = call.annex.secrets().get(name.lower())
    if known is not None and known.deleted_s is not None:
        raise name_is_deleted(name)
    edition = bundles.new_edition(call.body, call.new_version(), call.now_s)
    secret = known.with_edition(edition) if known else VaultSecret(name, (edition,))
    await call.annex.keep(secret)
    return Response(200, bundles.bundle(call.url, secret, edition))


async def get_secret(call: SecretCall) -> Response:
    secret = call.secret()
    edition = call.edition(secret)
    if not edition.enabled:
        raise disabled("get")
    return Response(200, bundles.bundle(call.url, secret, edition))


async def update_secret(call: SecretCall) -> Response:
    secret = call.secret()
    edition = bundles.changed_edition(call.edition(secret), call.body, call.now_s)
    changed = secret.with_edition(edition)
    await call.annex.keep(changed)
    return Response(200, bundles.bundle(call.url, changed, edition, value=False))


async def delete_secret(call: SecretCall) -> Response:
    secret = replace(call.secret(), deleted_s=call.now_s)
    await call.annex.keep(secret)
    shown = bundles.bundle(call.url, secret, secret.newest, value=False)
    return Response(200, bundles.deleted(call.url, secret, shown))


async def list_secrets(call: SecretCall) -> Response:
    alive = [secret for secret in call.annex.secrets().values() if secret.deleted_s is None]
    return _page(call, {secret.name: bundles.item(call.url, secret) for secret in alive})


async def list_versions(call: SecretCall) -> Response:
    secret = call.secret()
    return _page(call, {each.version: bundles.item(call.url, secret, each) for each in secret.editions})


async def list_deleted(call: SecretCall) -> Response:
    gone = [secret for secret in call.annex.secrets().values() if secret.deleted_s is not None]
    return _page(call, {each.name: bundles.deleted(call.url, each, bundles.item(call.url, each)) for each in gone})


async def get_deleted(call: SecretCall) -> Response:
    secret = call.deleted_secret()
    shown = bundles.bundle(call.url, secret, secret.newest, value=False)
    return Response(200, bundles.deleted(call.url, secret, shown))


async def recover(call: SecretCall) -> Response:
    secret = replace(call.deleted_secret(), deleted_s=None)
    await call.annex.keep(secret)
    return Response(200, bundles.bundle(call.url, secret, secret.newest, value=False))


async def purge(call: SecretCall) -> Response:
    await call.annex.forget(call.deleted_secret().name)
    return Response(204)


async def back_up(call: SecretCall) -> Response:
    """The whole secret, sealed so that only a vault of this stack can read it."""
    nonce = hashlib.sha256(call.new_version().encode()).digest()[:NONCE_BYTES]
    sealed = nonce + _cipher(call).encrypt(nonce, encode_json(call.secret().to_json()), None)
    return Response(200, {"value": base64.urlsafe_b64encode(sealed).decode().rstrip("=")})


async def restore(call: SecretCall) -> Response:
    secret = _unsealed(call, call.body.get("value"))
    known = call.annex.secrets().get(secret.name.lower())
    if known is not None:
        raise name_exists(secret.name) if known.deleted_s is None else name_is_deleted(secret.name)
    await call.annex.keep(secret)
    return Response(200, bundles.bundle(call.url, secret, secret.newest, value=False))


def _unsealed(call: SecretCall, value: Any) -> VaultSecret:
    """The secret in a backup; raises VaultError for what no vault of this stack has sealed."""
    from cryptography.exceptions import InvalidTag

    try:
        raw = base64.urlsafe_b64decode(str(value) + "=" * (-len(str(value)) % 4))
        return VaultSecret.from_json(decode_json(_cipher(call).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None)))
    except (InvalidTag, ValueError, KeyError):
        raise bad_parameter("Backup blob is corrupt, or was made by another vault's service.") from None


def _cipher(call: SecretCall) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # only backups need it, and it takes a moment

    token = call.annex.vault.stack.control_token
    return AESGCM(hashlib.sha256(f"azure-vault-backup {token}".encode()).digest())


def _page(call: SecretCall, items: Mapping[str, dict[str, Any]]) -> Response:
    """One page of a list; `items` are by what their order goes by. Raises VaultError for a size or a token that cannot be."""
    size, after = _size(call.request), _mark(call.request)
    names = list(items)
    if after and after not in names:
        raise bad_parameter("The specified skiptoken is not valid.")
    start = names.index(after) + 1 if after else 0
    page = names[start : start + size]
    next_link = None
    if start + size < len(names):
        token = base64.urlsafe_b64encode(page[-1].encode()).decode()
        query = {"api-version": call.request.query["api-version"], "$skiptoken": token, "maxresults": str(size)}
        next_link = f"{call.url}{call.request.path}?{urlencode(query)}"
    return Response(200, {"value": [items[name] for name in page], "nextLink": next_link})


def _size(request: Request) -> int:
    text = request.query.get("maxresults", str(MOST_ON_A_PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ON_A_PAGE:
        raise bad_parameter(f"The parameter maxresults is from 1 to {MOST_ON_A_PAGE}, not {text}.")
    return int(text)


def _mark(request: Request) -> str:
    try:
        return base64.b64decode(request.query.get("$skiptoken", ""), altchars=b"-_", validate=True).decode()
    except ValueError:
        raise bad_parameter("The specified skiptoken is not valid.") from None


# By what the path looks like ("*" is a name, "@" a version) and by method.
OPERATIONS: Mapping[tuple[str, ...], Mapping[str, SecretOperation]] = {
    ("secrets",): {"GET": SecretOperation("readMetadata/action", list_secrets)},
    ("secrets", "restore"): {"POST": SecretOperation("restore/action", restore)},
    ("secrets", "*"): {
        "PUT": SecretOperation("setSecret/action", set_secret),
        "GET": SecretOperation("getSecret/action", get_secret),
        "PATCH": SecretOperation("update/action", update_secret),
        "DELETE": SecretOperation("delete", delete_secret),
    },
    ("secrets", "*", "versions"): {"GET": SecretOperation("readMetadata/action", list_versions)},
    ("secrets", "*", "backup"): {"POST": SecretOperation("backup/action", back_up)},
    ("secrets", "*", "@"): {
        "GET": SecretOperation("getSecret/action", get_secret),
        "PATCH": SecretOperation("update/action", update_secret),
    },
    ("deletedsecrets",): {"GET": SecretOperation("readMetadata/action", list_deleted)},
    ("deletedsecrets", "*"): {
        "GET": SecretOperation("readMetadata/action", get_deleted),
        "DELETE": SecretOperation("purge/action", purge),
    },
    ("deletedsecrets", "*", "recover"): {"POST": SecretOperation("recover/action", recover)},
}


def find_operation(request: Request) -> tuple[SecretOperation, str, str]:
    """The operation with the name and version in its path, "" for what it has not; raises VaultError."""
    words = request.words
    shape = _shape(words, request.method)
    methods = OPERATIONS.get(shape)
    if methods is None:
        raise not_a_page(request.path)
    if request.method not in methods:
        raise wrong_method(request.method)
    name = words[1] if len(shape) > 1 and shape[1] == "*" else ""
    return methods[request.method], name, words[2] if shape[-1] == "@" else ""


def _shape(words: list[str], method: str) -> tuple[str, ...]:
    """The path with names and versions as OPERATIONS writes them."""
    collection = words[0].lower() if words else ""
    if collection == "secrets" and words[1:] == ["restore"] and method == "POST":
        return ("secrets", "restore")
    known = {("secrets", 3): ("versions", "backup"), ("deletedsecrets", 3): ("recover",)}
    ends = known.get((collection, len(words)), ())
    if len(words) < 2:
        return (collection,)
    if len(words) == 2:
        return (collection, "*")
    last = words[2].lower() if words[2].lower() in ends else "@"
    return (collection, "*", last) if len(words) == 3 else tuple(words)
