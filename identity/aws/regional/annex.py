"""AWS's part of a node that lets callers in: the region's copy of the account, and who may do what by it.

The directory sends the account (`PUT /_brownout/aws/account`) at a constant rate; it is durable before it is answered, so a
node that is killed lets callers in again at once. `GET` gives what the node holds back to a directory that lost its disk.
Authentication and authorization ask no other node (docs/reference/aws-wire.md#signing-keys). What was used is reported to the
directory later, in batches.
"""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from brownout.identity.aws.auth.authenticate import authenticate
from brownout.identity.aws.auth.caller import Caller
from brownout.identity.aws.errors import invalid_client_token_id, service_unavailable
from brownout.identity.aws.names import OPT_IN
from brownout.identity.aws.policy.context import EMPTY, RequestContext, RequestFacts, request_keys
from brownout.identity.aws.policy.document import PolicyDocument
from brownout.identity.aws.policy.evaluate import Decision, denial, evaluate
from brownout.identity.aws.policy.parse import parse_document
from brownout.identity.aws.records.principals import UsageReport
from brownout.identity.aws.records.published import PublishedAccount
from brownout.identity.aws.records.seed import account_of
from brownout.identity.aws.regional.denials import AccessDeniedError
from brownout.identity.aws.regional.index import AccountIndex, Permissions
from brownout.identity.aws.regional.replica import AccountReplica
from brownout.identity.aws.regional.usage import Usage
from brownout.identity.core.annex import Annex
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.node import MALFORMED, Node
from brownout.identity.core.planted import ACCOUNT_GOES_BACK, REVOKED_KEY_ON_ONE_NODE
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served, error
from brownout.identity.core.topology import DIRECTORY, REGIONS, link_between
from brownout.identity.core.trail import Hop

VENDOR = "aws"
PAGE, USAGE_PAGE = "/account", "/last-used"  # below /_brownout/aws
GLOBAL_REGION = "us-east-1"  # what IAM and the global name of STS are signed for
GLOBAL_TOKENS = "aws-global"  # the issuing region of sessions whose tokens are of version 1
USAGE_INTERVAL_S = 60.0
LOOPBACK = "127.0.0.1"  # where every client of a stack is

RequestKeys = Mapping[str, str | Sequence[str]]


class RegionalAnnex(Annex):
    """The account on one token, management or vault node."""

    vendor = VENDOR

    def __init__(self, node: Node) -> None:
        self.node = node
        self.aws_region = REGIONS[node.region].aws_name
        self.account_id = account_of(node.stack)
        self._planted = node.settings.planted
        self._unrevokes = REVOKED_KEY_ON_ONE_NODE in self._planted and node.name.endswith(".z2")
        self.replica = AccountReplica(self.account_id, node.region)
        self.usage = Usage(self.aws_region)
        self._client_clocks = node.settings.real_client_clocks
        self._index: AccountIndex | None = None
        self._hop: tuple[Hop | None, int, Hop] = (None, 0, Hop(""))  # of many answers: the node's, a version, and both together
        self.directory = f"{node.stack.home_region}.{DIRECTORY}"
        self._reports = link_between(node.name, self.directory) in node.stack.links()

    @property
    def ready(self) -> bool:
        return self._index is not None

    @property
    def index(self) -> AccountIndex:
        """The account; raises AwsError ServiceUnavailable before the first one came."""
        if self._index is None:
            raise service_unavailable()
        return self._index

    def hop(self) -> Hop:
        """The node's hop, with the version of the account by which it answers."""
        hop, version = self.node.hop(), self.replica.version
        known = self._hop
        if known[0] is not hop or known[1] != version:
            known = self._hop = (hop, version, hop._replace(version=str(version)) if version else hop)
        return known[2]

    def take_up(self, name: str, record: Json) -> None:
        assert name == "account", name
        self.replica.take(record)
        self._follow()

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (self._report_for_ever(),) if self._reports else ()

    def state(self) -> Json:
        return {**self.holdings(), "unreported": len(self.usage)}

    def holdings(self) -> Json:
        return {"account_version": self.replica.version}

    async def serve(self, request: Request, path: str) -> Served | None:
        if path != PAGE:
            return None
        if request.method == "GET":
            raw = self.replica.raw
            return Served(error(404, "NoAccount", "none came yet") if raw is None else Response(200, raw))
        served = Served(await self._take(request.body or {}))
        if request.body is self.replica.raw:  # then the same again changes nothing
            self.node.ready_answers.repeat(request, served)
        return served

    async def control(self, request: Request, path: str) -> Response | None:
        if request.method == "GET" and path == "/access-keys":
            return Response(200, {"keys": _known_keys(self, request.query.get("user", ""))})
        return None

    async def _take(self, raw: Json) -> Response:
        before = self.replica.version
        try:
            refusal = self.replica.take(raw)
        except MALFORMED as wrong:
            return error(400, "BadAccount", f"this is no account: {type(wrong).__name__}: {wrong}")
        if refusal is not None:
            told = {"taken": False, "version": self.replica.version, "refused": refusal}
            return Response(200, told | {"stranger": True} if refusal == "stranger" else told)
        if self.replica.version > before:
            if not (ACCOUNT_GOES_BACK in self._planted and before):
                await self.node.ports.persist(f"{VENDOR}:account", raw)
            self._follow()
        return Response(200, {"taken": True, "version": self.replica.version})

    def _follow(self) -> None:
        account = self.replica.account
        if account is not None and (self._index is None or self._index.account is not account):
            assert self._index is None or self._index.account.version <= account.version, "a replica never goes back"
            self._index = AccountIndex(account, self._index)

    def authenticate(self, request: Request, service: str, regions: Collection[str]) -> Caller:
        """Who signed the request, for a scope in one of `regions` (AWS's names); raises AwsError as authentication does.

        Refused are also callers whose user or role is gone, and tokens that are not valid in this region.
        """
        index, ports = self.index, self.node.ports
        now_s = ports.now()
        client_now_s = ports.machine_time(now_s) if self._client_clocks else None
        account: Any = _Unrevoked(index.account) if self._unrevokes else index.account
        known = None if self._unrevokes else index.signers
        caller = authenticate(request, service, regions, account, now_s, client_now_s, known)
        index.check_alive(caller)
        session = caller.session
        if session is not None and session.issuing_region == GLOBAL_TOKENS and self.aws_region in OPT_IN:
            raise invalid_client_token_id()
        if session is None:
            self.usage.note(caller.access_key_id, service, now_s)
        elif caller.kind == "assumed-role":
            self.usage.note(f"role/{caller.principal_name}", service, now_s)
        return caller

    def client_time(self, at_s: float, signed_s: float | None) -> float:
        """What the client's clock shows at `at_s`, by when it signed (None: it did not): the stack's clock or the machine's."""
        if not self._client_clocks:
            return at_s
        ports, now_s = self.node.ports, self.node.ports.now()
        if signed_s is not None and abs(signed_s - now_s) <= abs(signed_s - ports.machine_time(now_s)):
            return at_s
        return ports.machine_time(at_s)

    def facts(self, request: Request) -> RequestFacts:
        """What the request itself says, for conditions."""
        headers = request.headers
        secure = headers.get("x-forwarded-proto") == "https"
        return RequestFacts(self.node.ports.now(), self.aws_region, LOOPBACK, headers.get("user-agent", ""), secure)

    def context(
        self, caller: Caller, action: str, resource: str, facts: RequestFacts, keys: RequestKeys = EMPTY
    ) -> RequestContext:
        """The request as policies see it."""
        principal = self.index.principal(caller)
        own = caller.session.facts if caller.session is not None else EMPTY
        return RequestContext(action, resource, principal, request_keys(principal, facts, {**own, **keys}))

    def decide(
        self,
        caller: Caller,
        context: RequestContext,
        *,
        resource_policy: PolicyDocument | None = None,
        resource_must_allow: bool = False,
    ) -> Decision:
        """What the caller's policies say, and the resource's where there is one."""
        held: Permissions = self.index.permissions(caller)
        return evaluate(
            context,
            held.policies,
            boundary=held.boundary,
            session_policies=self.index.session_policies(caller),
            scopes=() if caller.session is None else tuple(parse_document(text, "session") for text in caller.session.scopes),
            resource_policy=resource_policy,
            resource_must_allow=resource_must_allow,
        )

    def authorize(
        self,
        caller: Caller,
        action: str,
        resource: str,
        facts: RequestFacts,
        keys: RequestKeys = EMPTY,
        *,
        resource_policy: PolicyDocument | None = None,
    ) -> None:
        """Raises AwsError AccessDenied unless the caller may do `action` ("iam:GetUser") to `resource` (an ARN, or "*")."""
        if resource_policy is None and self.index.is_always_allowed(caller, action, resource):
            return
        context = self.context(caller, action, resource, facts, keys)
        decision = self.decide(caller, context, resource_policy=resource_policy)
        if not decision.allowed:
            raise AccessDeniedError(denial(context, decision, resource=resource), context, decision)

    async def _report_for_ever(self) -> None:
        while True:
            await self.node.ports.sleep(USAGE_INTERVAL_S)
            if self.usage:
                await self.report()

    async def report(self) -> None:
        """Tells the directory what was used; what it does not take is told the next time."""
        uses = self.usage.take()
        if not uses:
            return
        request = self.node.internal("POST", f"/{VENDOR}{USAGE_PAGE}", UsageReport(uses).to_json())
        try:
            answer = await self.node.ports.call(self.directory, request, timeout_s=self.node.call_timeout_s)
        except CallFailed:
            self.usage.put_back(uses)
            return
        if not answer.ok:
            self.usage.put_back(uses)


def _known_keys(annex: RegionalAnnex, user: str) -> list[Json]:
    """What the node knows of a user's access keys, with "" of all: for looking at the effect of faults."""
    keys = annex.index.account.access_keys.values() if annex.ready else ()
    return [
        {"access_key_id": key.access_key_id, "user": key.user_name, "status": key.status, "revoked": key.revoked}
        for key in keys
        if user.lower() in ("", key.user_name.lower())
    ]


class _Unrevoked:
    """The account as if no access key had been revoked: a planted bug (core/planted.py)."""

    def __init__(self, account: PublishedAccount) -> None:
        self._account = account

    def __getattr__(self, name: str) -> Any:
        return getattr(self._account, name)

    def access_key(self, access_key_id: str) -> Any:
        key = self._account.access_key(access_key_id)
        return None if key is None else replace(key, revoked=False)
