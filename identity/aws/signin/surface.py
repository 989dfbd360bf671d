"""Sign-in to the console on a token node: a form, a session, and which region answers for it.

`/console?region=R` and the host name `R.signin.aws.amazon.com` are the region's own: it judges password and one-time code
with the account that it holds, also while the home region is away. Without a region, and with the home region, the home
region's control plane judges; that needs the link to the directory. So does a security key, wherever it is shown.
Wire facts: docs/reference/aws-wire.md#console-sign-in.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from brownout.identity.aws.errors import AwsError
from brownout.identity.aws.names import host_name
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.regional.annex import VENDOR
from brownout.identity.aws.signin import console_sessions, federation, pages
from brownout.identity.aws.signin.attempts import REFUSALS, SignInAttempt, SignInRefused, judge_code, user_with_password
from brownout.identity.aws.signin.home import CHALLENGE_PAGE, PAGE
from brownout.identity.aws.signin.security_keys import Assertion
from brownout.identity.aws.sts.annex import TokenAnnex
from brownout.identity.core import trail
from brownout.identity.core.messages import CallFailed, Request, Response
from brownout.identity.core.nodes.token import TokenNode
from brownout.identity.core.records import Json
from brownout.identity.core.surface import Served
from brownout.identity.core.topology import DIRECTORY, REGIONS

HOST = "signin.aws.amazon.com"
PATHS = ("/console", "/federation", "/logout")
SILENT = "Sign-in through {home} is not available. A region's own endpoint may be: add region=REGION to the address."
ONLY_HOME = "Security keys are checked in {home}, which does not answer."


class Realm(NamedTuple):
    """Which sign-in a request means: that of a region (AWS's name, "" for none named) at a host of the account or a region."""

    region: str
    account: str


class JudgedUser(NamedTuple):
    """Who is signed in, and the trail of the answer that says so."""

    user: User
    mfa: bool
    inner: str = ""


class HomeSilent(Exception):
    """The home region's control plane does not answer."""


class ConsoleSignIn:
    """The surface of sign-in."""

    def __init__(self, node: TokenNode) -> None:
        annex = node.annexes[VENDOR]
        assert isinstance(annex, TokenAnnex), "a token node has the account"
        self._node, self._annex = node, annex
        self._home = REGIONS[node.stack.home_region].aws_name
        self._directory = f"{node.stack.home_region}.{DIRECTORY}"
        self._regions = {REGIONS[region].aws_name for region in node.stack.regions}

    def takes(self, request: Request) -> bool:
        return request.path in PATHS or host_name(request).endswith(HOST)

    async def serve(self, request: Request) -> Served:
        node = self._node
        try:
            if request.path == "/federation":
                return Served(federation.answer(self._annex, request), node.hop())
            if request.path == "/logout":
                return Served(pages.page(200, "Signed out", "", (pages.cookie("", 0),)), node.hop())
            if request.path not in ("/", "/console"):
                return Served(pages.failure(404, f"There is no {request.path} here."), node.hop())
            return await self._console(request)
        except AwsError as refused:
            return Served(pages.failure(refused.status, refused.message), node.hop())

    async def _console(self, request: Request) -> Served:
        """The console's front page or the form; raises AwsError."""
        realm, node = self._realm(request), self._node
        if realm.region and realm.region not in self._regions:
            return Served(pages.failure(400, f"There is no region {realm.region}."), node.hop())
        if realm.region not in ("", self._home, self._annex.aws_region):
            return Served(pages.redirect(f"https://{realm.region}.{HOST}/console?region={realm.region}"), node.hop())
        if request.method == "POST":
            return await self._sign_in(request, realm)
        if request.method not in ("GET", "HEAD"):
            return Served(pages.failure(405, "Sign-in is a form."), node.hop())
        session = console_sessions.opened(self._annex, pages.cookie_of(request.headers.get("cookie", "")))
        if session is None:
            return Served(pages.form(realm.account, realm.region), node.hop())
        return Served(pages.signed_in(session.arn, self._facts(session.expires_s)), node.hop())

    def _realm(self, request: Request) -> Realm:
        name = host_name(request).removesuffix(HOST).removesuffix(".")
        named = str(request.query.get("region", ""))
        if name in self._regions:
            return Realm(named or name, "")
        is_account = name in (self._annex.account_id, self._annex.index.account.settings.alias)
        return Realm(named, name if is_account else "")

    async def _sign_in(self, request: Request, realm: Realm) -> Served:
        """The answer to the form; raises AwsError when no session can be made."""
        fields, node = dict(request.form), self._node
        account = fields.get("account", realm.account)
        name = fields.get("username", "")
        if account not in (self._annex.account_id, self._annex.index.account.settings.alias or self._annex.account_id):
            return Served(self._refused(realm, SignInRefused("wrong"), name, ""), node.hop())
        try:
            attempt = _attempt(fields)
            judged = await (self._at_home(attempt) if self._is_homes(realm, attempt) else self._here(attempt))
        except SignInRefused as refused:
            challenge = await self._challenge(name) if refused.refusal in ("key-needed", "code-needed", "wrong-code") else ""
            return Served(self._refused(realm, refused, name, challenge), node.hop())
        except HomeSilent:
            text = ONLY_HOME if attempt.assertion is not None and self._is_own(realm) else SILENT
            return Served(pages.failure(503, text.format(home=self._home)), node.hop())
        session, token = console_sessions.begin(self._annex, judged.user, mfa=judged.mfa)
        self._annex.usage.note(f"password/{judged.user.name}", "signin", node.ports.now())
        headers = (pages.cookie(token, console_sessions.CONSOLE_S),)
        return Served(pages.signed_in(session.arn, self._facts(session.expires_s), headers), node.hop(), judged.inner)

    def _is_own(self, realm: Realm) -> bool:
        """True when this region judges: it is named, and is not the home region."""
        return realm.region == self._annex.aws_region != self._home

    def _is_homes(self, realm: Realm, attempt: SignInAttempt) -> bool:
        return attempt.assertion is not None or not self._is_own(realm)

    def _refused(self, realm: Realm, refused: SignInRefused, name: str, challenge: str) -> Response:
        notice, account = pages.REFUSED[refused.refusal], realm.account or self._annex.account_id
        status = 403 if refused.refusal == "password-expired" else 401
        return pages.form(account, realm.region, status=status, notice=notice, user_name=name, challenge=challenge)

    async def _here(self, attempt: SignInAttempt) -> JudgedUser:
        """Judges with what the region has; raises SignInRefused."""
        account = self._annex.index.account
        user = user_with_password(account, attempt)
        return JudgedUser(user, judge_code(account, user, attempt.code, self._annex.mfa.take))

    async def _at_home(self, attempt: SignInAttempt) -> JudgedUser:
        """Lets the control plane judge; raises SignInRefused and HomeSilent."""
        found, inner = await self._ask(PAGE, attempt.to_json())
        refusal = next((known for known in REFUSALS if known == found.get("refusal")), None)
        if refusal is not None:
            raise SignInRefused(refusal)
        user = self._annex.index.account.user(str(found["user_name"]))
        if user is None:  # made a moment ago, and not here yet
            raise SignInRefused("wrong")
        return JudgedUser(user, bool(found["mfa"]), inner)

    async def _challenge(self, user_name: str) -> str:
        """What a security key is to sign, "" while the control plane does not answer."""
        try:
            found, _ = await self._ask(CHALLENGE_PAGE, {"user_name": user_name})
        except HomeSilent:
            return ""
        return str(found["challenge"])

    async def _ask(self, page: str, body: Json) -> tuple[Json, str]:
        """What the directory answers, with its trail; raises HomeSilent."""
        node = self._node
        request = node.internal("POST", f"/{VENDOR}{page}", body)
        try:
            answer = await node.ports.call(self._directory, request, timeout_s=node.call_timeout_s)
        except CallFailed:
            raise HomeSilent from None
        if not answer.ok or answer.body is None:
            raise HomeSilent
        return answer.body, trail.of(answer)

    def _facts(self, expires_s: float) -> dict[str, str]:
        served = {"region": self._annex.aws_region, "node": self._node.name}
        return {"account": self._annex.account_id, **served, "expires": str(int(expires_s))}


def _attempt(fields: dict[str, str]) -> SignInAttempt:
    """The attempt in a form; raises SignInRefused for an assertion that cannot be read."""
    try:
        given = fields.get("assertion", "")
        assertion = Assertion.from_json(json.loads(given)) if given else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SignInRefused("wrong-code") from None
    return SignInAttempt(fields.get("username", ""), fields.get("password", ""), fields.get("mfa_code", "").strip(), assertion)
