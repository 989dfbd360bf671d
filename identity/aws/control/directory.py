"""AWS's part of the directory: IAM's control plane, which runs the operations, keeps every secret and publishes the account."""

from __future__ import annotations

import hashlib
from collections.abc import Coroutine
from typing import Any

from brownout.identity.aws.control.account import PREFIX, AccountState, DescribedAccount, DirectoryAccount
from brownout.identity.aws.control.calls import CALL_PATH, IamAnswer, IamCall, trial_call
from brownout.identity.aws.control.concurrency import check_concurrent
from brownout.identity.aws.control.learning import VERSIONS_AHEAD, take_over
from brownout.identity.aws.control.life import (
    Upkeep,
    begin_account,
    credentials_of,
    go_on,
    keep_up,
    reset_account,
)
from brownout.identity.aws.control.notifications import sent_tokens
from brownout.identity.aws.control.publishing.publisher import AccountPublisher, seconds_of
from brownout.identity.aws.control.registry import RunOperation, all_operations, reads_only
from brownout.identity.aws.control.revocations import REVOKE, Revocations, ToldPrincipals
from brownout.identity.aws.errors import STATUS, AwsError, fault_of, invalid_action
from brownout.identity.aws.records.crowd import crowd
from brownout.identity.aws.records.principals import LastUsed, UsageReport, User
from brownout.identity.aws.records.published import PublishedAccount
from brownout.identity.aws.records.seed import ADMIN, account_of, initial_account
from brownout.identity.aws.records.tables import Tables
from brownout.identity.core.annex import Annex
from brownout.identity.core.holds import PASSIVE, Switch, Value, nothing_to_undo
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node, read_as
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served, error
from brownout.identity.core.topology import REGIONS
from brownout.identity.core.trail import Hop

IAM_VERSION = "2010-05-08"
ERRORS, LATENCY, LAG, NO_SEALING = "iam-errors", "iam-latency", "describe-lag", "stop-sealing-keys"
USUAL_ERROR = "ServiceFailure"
LAST_USED_PATH = "/last-used"


class IamDirectory(Annex):
    """IAM's control plane on the directory."""

    vendor = PREFIX

    def __init__(self, node: Node) -> None:
        self._node = node
        self._account = DirectoryAccount(
            account_of(node.stack),
            node.ports,
            {region: REGIONS[region].aws_name for region in node.stack.regions},
            client_clocks=node.settings.real_client_clocks,
        )
        self._described = DescribedAccount()
        self._base: Tables = initial_account(node.stack)  # what this life began with
        self.publisher = AccountPublisher(node, self._account, self._learn)
        self._revocations = Revocations(node.holds, self._account)
        self._principals = ToldPrincipals()
        self.switches = {
            ERRORS: Switch(_fail, nothing_to_undo),
            LATENCY: Switch(_delay, nothing_to_undo),
            LAG: Switch(self._lag, nothing_to_undo),
            **self.publisher.switches,
            NO_SEALING: PASSIVE,
            REVOKE: self._revocations.switch,
        }

    @property
    def ready(self) -> bool:
        return self._account.durable.version > 0

    @property
    def account(self) -> DirectoryAccount:
        """The account, for looking at it."""
        return self._account

    def take_up(self, name: str, record: Json) -> None:
        self._account.take_up(name, record)

    async def start(self) -> None:
        """Goes on with the account of an earlier life, or begins it."""
        self._account.start()
        transaction = self._account.begin()
        if self.ready:
            self._base = self._account.durable.tables
            go_on(transaction, self._account.durable.version)
        else:
            begin_account(transaction, self._base)
        self._revocations.follow(transaction)
        await self._account.commit(transaction)
        assert self.ready

    def background(self) -> tuple[Coroutine[Any, Any, None], ...]:
        return (self._keep_up(), *self.publisher.background())

    async def _keep_up(self) -> None:
        upkeep = Upkeep()
        while True:
            transaction, seals = self._account.begin(), not self._node.holds.held(NO_SEALING)
            if upkeep.is_due(transaction, seals=seals):
                keep_up(transaction, seals=seals)
                upkeep.note(transaction, seals=seals)
                await self._account.commit(transaction)
            await self._account.settle()
            await self._node.ports.sleep(self._node.settings.iam_publish_interval_s)

    def state(self) -> Json:
        known = self._account.durable
        tables = known.tables
        return {
            "account_id": self._account.account_id,
            "version": known.version,
            "users": len(tables.table(User)),
            **self.holdings(),
            "delayed": self.publisher.delays.told(),
        }

    def holdings(self) -> Json:
        return {"published": {region: self.publisher.edition(region).version for region in self._node.stack.regions}}

    async def serve(self, request: Request, path: str) -> Served | None:
        if request.method == "POST" and path == CALL_PATH:
            answer = await self._answer(read_as(IamCall.from_json, request))
            return Served(Response(200, answer.to_json()), _hop(self._node, answer))
        if request.method == "POST" and path == LAST_USED_PATH:
            return Served(await self._note_last_used(request), self._node.hop())
        return None

    async def _answer(self, call: IamCall) -> IamAnswer:
        """What the call comes to, after what is held against it."""
        for value in self._node.holds.held(LATENCY):
            await self._node.ports.sleep(float(value["delay_s"]))
        try:
            self._refuse_some()
            run = all_operations().get(call.action)
            if run is None:
                raise invalid_action(call.action, IAM_VERSION)
        except AwsError as refused:
            return IamAnswer(error=refused)
        return self._describe(run, call) if reads_only(call.action) else await self._change(run, call)

    def _describe(self, run: RunOperation, call: IamCall) -> IamAnswer:
        """What a describing operation says of the state that is described now, also where it finds nothing there."""
        state = self._described_state()
        transaction = self._account.view(state)
        try:
            result = run(transaction, call.params, call.caller)
        except AwsError as refused:
            return IamAnswer(error=refused, version=state.version)
        assert not transaction.changes, f"{call.action} describes, and changes nothing"
        return IamAnswer(result, version=state.version)

    async def _change(self, run: RunOperation, call: IamCall) -> IamAnswer:
        """What a changing operation comes to once its change is durable."""
        self._described_state()
        transaction = self._account.begin()
        try:
            result = run(transaction, call.params, call.caller)
            check_concurrent(call.action, transaction, self._account.durable.tables)
        except AwsError as refused:
            return IamAnswer(error=refused, version=self._account.durable.version)
        version = await self._account.commit(transaction)
        self._described_state()
        return IamAnswer(result, version=version, made=bool(transaction.changes))

    def _described_state(self) -> AccountState:
        """The state that is described now, which is remembered if describing lags."""
        lags_s = [float(value["lag_s"]) for value in self._node.holds.held(LAG)]
        return self._described.note(self._account.durable, self._node.ports.now(), lags_s)

    def _refuse_some(self) -> None:
        """Raises the error of the first hold that wants this call to fail."""
        for value in self._node.holds.held(ERRORS):
            if _draw(self._node.ports.new_id()) < float(value["share"]):
                code = str(value.get("code") or USUAL_ERROR)
                raise fault_of(code)

    async def _note_last_used(self, request: Request) -> Response:
        """Takes up when credentials were last used, as a region's node tells it: of two uses the later is kept."""
        transaction = self._account.begin()
        for each in read_as(UsageReport.from_json, request).uses:
            known = transaction.get(LastUsed, each.table_key)
            if known is None or known.at_s < each.at_s:
                transaction.put(each)
        return Response(200, {"version": await self._account.commit(transaction)})

    async def _learn(self, lost: list[PublishedAccount]) -> None:
        transaction = self._account.begin()
        take_over(transaction, self._base, lost)
        await self._account.commit(transaction, at_least=lost[-1].version + VERSIONS_AHEAD)

    async def control(self, request: Request, path: str) -> Response | None:
        if request.method == "POST" and path == "/try":
            answer = await self._answer(trial_call(self._account.account_id, self._node.ports.now()))
            return Response(200, {"error": answer.error.code if answer.error else "", "version": answer.version})
        if request.method == "GET" and path == "/credentials":
            return await self._credentials(str(request.query.get("user", ADMIN)))
        if request.method == "GET" and path == "/notifications":
            return Response(200, {"notifications": sent_tokens(self._account.durable, str(request.query.get("channel", "")))})
        if request.method == "GET" and path == "/principals":
            return Response(200, self._principals.of(self._account.durable))
        if request.method == "POST" and path == "/reset":
            transaction = self._account.begin()
            reset_account(transaction, initial_account(self._node.stack))
            self._revocations.follow(transaction)  # a fault outlives a reset
            version = await self._account.commit(transaction)
            return Response(200, {"version": version, "published": await self.publisher.publish_now()})
        if request.method == "POST" and path == "/crowd":
            wanted = request.body or {}
            transaction = self._account.begin()
            transaction.put(*crowd(transaction.account_id, users=int(wanted["users"]), roles=int(wanted.get("roles", 0))))
            return Response(200, {"version": await self._account.commit(transaction)})
        return None

    async def _credentials(self, name: str) -> Response:
        """An access key of that user with its secret."""
        transaction = self._account.begin()
        try:
            key_id, secret = credentials_of(transaction, name)
        except KeyError:
            return error(404, "NoSuchEntity", f"The user with name {name} cannot be found.")
        await self._account.commit(transaction)
        found = {"account_id": self._account.account_id, "user": name}
        return Response(200, found | {"access_key_id": key_id, "secret_access_key": secret})

    async def _lag(self, fault_id: str, value: Value) -> Value:
        lag_s = seconds_of(value, "lag_s")
        self._described.note(self._account.durable, self._node.ports.now(), [lag_s])
        return {"lag_s": lag_s}


async def _fail(fault_id: str, value: Value) -> Value:
    share, code = float(value["share"]), str(value.get("code") or USUAL_ERROR)
    if not 0 <= share <= 1:
        raise ValueError(f"share is a share of all calls, from 0 to 1, not {share:g}")
    if code not in STATUS:
        raise ValueError(f"no error has the code {code!r}")
    return {"share": share, "code": code}


async def _delay(fault_id: str, value: Value) -> Value:
    return {"delay_s": seconds_of(value, "delay_s")}


def _hop(node: Node, answer: IamAnswer) -> Hop:
    """The node's hop, with the version of the account by which it answered."""
    version = f"{'+' if answer.made else ''}{answer.version}" if answer.version else ""
    return node.hop()._replace(version=version)


def _draw(chance: str) -> float:
    """A number from 0 up to 1 that `chance` decides."""
    return int.from_bytes(hashlib.sha256(chance.encode()).digest()[:8], "big") / 2**64
