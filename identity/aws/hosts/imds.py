"""IMDS on the host: a machine asks what it is, and gets the credentials of its role.

Version 2 wants a session token, made by a PUT, with each GET; version 1 is a GET without one, and is refused when the
setting `imds_http_tokens` is `required`. Errors are XHTML. Wire facts: docs/reference/aws-wire.md#instance-metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from brownout.identity.aws.hosts import addressing, pages
from brownout.identity.aws.hosts.annex import SWITCH, Given, annex_of
from brownout.identity.aws.hosts.instances import Instance, entry, laid_out, tree, utc
from brownout.identity.aws.hosts.session_tokens import SessionTokens, lifetime
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.forced_answers import ForcedAnswer
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import Machine
from brownout.identity.core.surface import Served

TOKEN = ("api", "token")
CREDENTIALS = ("meta-data", "iam", "security-credentials")
_HELP = (
    "Please see documentation at "
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."
)
Lines = Iterable[tuple[bytes, bytes]]


class _Awaited(NamedTuple):
    """Whose credentials have to be asked for, and the header lines that go with the answer."""

    machine: Machine
    instance: Instance
    lines: Lines


class InstanceMetadata:
    """IMDS' surface. It takes paths that begin with one of the service's versions."""

    def __init__(self, node: Host) -> None:
        self._annex, self._node = annex_of(node), node
        self._tokens = SessionTokens(self._node.stack.control_token)
        self._needs_token = self._node.settings.imds_http_tokens == "required"
        self._trees: dict[str, tuple[Instance, Mapping[str, str]]] = {}  # by machine: one is asked for with every page

    def takes(self, request: Request) -> bool:
        return addressing.is_ours(request)

    def at_once(self, request: Request) -> Served | None:
        """All answers but those for which a token node has to be asked, and those that a hold may want to be others."""
        node = self._node
        if node.capacity.on or node.holds.holds(SWITCH):
            return None
        wanted = addressing.resolve(request, node)
        machine = wanted.machine if wanted.words[1:-1] == CREDENTIALS else None
        if machine is not None and self._annex.cached(self._annex.instance(machine), machine) is None:
            return None
        served = self._begun(wanted, request)
        assert isinstance(served, Served), "credentials that are cached are there"
        return served

    async def serve(self, request: Request) -> Served:
        begun = self._begun(addressing.resolve(request, self._node), request)
        if isinstance(begun, Served):
            return begun
        machine, instance, lines = begun
        given = await self._annex.credentials(instance, machine)
        return Served(self._document(given, instance, lines), given.hop, given.inner)

    def _begun(self, wanted: addressing.MachinePage, request: Request) -> Served | _Awaited:
        """The answer, or for whom credentials are to be asked for first."""
        node = self._node
        if wanted.machine is None or wanted.words[0] not in addressing.VERSIONS:
            return Served(pages.failure(404), node.hop())
        machine, words = wanted.machine, wanted.words[1:]
        forced = self._annex.forced_answer(machine.address, _kind(words))
        if forced is not None:
            return Served(forced_page(forced), node.hop())
        if words == TOKEN:
            return Served(self._new_token(machine, request), node.hop())
        if request.method not in ("GET", "HEAD"):
            return Served(pages.not_allowed("OPTIONS", "GET", "HEAD"), node.hop())
        lines = self._token_lines(machine, request)
        if lines is None:
            return Served(pages.failure(401), node.hop())
        instance = self._annex.instance(machine)
        if instance.role and words == (*CREDENTIALS, instance.role):
            self._annex.count_request(machine.address)
            given = self._annex.cached(instance, machine)
            if given is None:
                return _Awaited(machine, instance, lines)
            return Served(self._document(given, instance, lines), given.hop, given.inner)
        return Served(self._page(instance, "/".join(words), lines), node.hop())

    def _new_token(self, machine: Machine, request: Request) -> Response:
        """A session token for a PUT; refused to what a proxy forwards, for it may have been tricked into asking."""
        if request.method != "PUT":
            return pages.not_allowed("OPTIONS", "PUT")
        if "x-forwarded-for" in request.headers:
            return pages.failure(403)
        lifetime_s = lifetime(request.headers.get(pages.TTL_HEADER, ""))
        if lifetime_s is None:
            return pages.failure(400)
        ports = self._node.ports
        token = self._tokens.make(machine.address, ends_s=ports.now() + lifetime_s, nonce=ports.new_id())
        return pages.text(token, _ttl(lifetime_s))

    def _token_lines(self, machine: Machine, request: Request) -> Lines | None:
        """Header lines that go with an answer to the request; None when its token, or that it has none, refuses it."""
        token = request.headers.get(pages.TOKEN_HEADER)
        if token is None:
            return None if self._needs_token else ()
        ends_s, now_s = self._tokens.ends_s(token, machine.address), self._node.ports.now()
        if ends_s is None or now_s >= ends_s:
            return None
        return _ttl(int(ends_s - now_s))

    def _document(self, given: Given, instance: Instance, lines: Lines) -> Response:
        """The role's credentials document; a refused role is a document too, with a code that says so."""
        told = self._annex.client_time
        if given.failure is not None and given.failure.is_outage:
            return pages.failure(503, lines)
        if given.credentials is None:
            refused = {
                "Code": "AssumeRoleUnauthorizedAccess",
                "Message": f"EC2 cannot assume the role {instance.role}.  {_HELP}",
                "LastUpdated": utc(told(self._node.ports.now())),
            }
            return pages.text(laid_out(refused), lines)
        found = given.credentials
        document = {
            "Code": "Success",
            "LastUpdated": utc(told(found.issued_s)),
            "Type": "AWS-HMAC",
            "AccessKeyId": found.access_key_id,
            "SecretAccessKey": found.secret,
            "Token": found.token,
            "Expiration": utc(told(found.expires_s)),
        }
        return pages.text(laid_out(document), lines)

    def _page(self, instance: Instance, path: str, lines: Lines) -> Response:
        """Anything but tokens and credentials: a text of the tree, or the listing of a part of it."""
        known = self._trees.get(instance.address)
        if known is None or known[0] != instance:
            known = self._trees[instance.address] = instance, tree(instance)
        found = entry(known[1], path)
        return pages.failure(404, lines) if found is None else pages.text(found, lines)


def _kind(words: tuple[str, ...]) -> str:
    """Which of the requests that a hold may name this is."""
    if words == TOKEN:
        return "token"
    if words[:3] == CREDENTIALS:
        return "credentials" if len(words) > 3 else "role"
    return "other"


def _ttl(left_s: int) -> Lines:
    return ((pages.TTL_HEADER.encode(), str(left_s).encode()),)


def forced_page(forced: ForcedAnswer) -> Response:
    """The answer that a hold wants: its body as JSON or its text, else the page that the status has."""
    after = () if forced.retry_after_s is None else ((b"retry-after", str(int(forced.retry_after_s)).encode()),)
    if forced.body is not None:
        return pages.text(laid_out(forced.body), after, status=forced.status)
    if forced.text or forced.status < 400:
        return pages.text(forced.text, after, status=forced.status)
    return pages.failure(forced.status, after)
