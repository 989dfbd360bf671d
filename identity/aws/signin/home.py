"""AWS's part of the directory, with what sign-in needs of the control plane: judgement of whole attempts, and security keys.

A region asks `POST /_brownout/aws/sign-in` for attempts that it cannot or may not judge by itself, and
`POST /_brownout/aws/sign-in-challenge` for a challenge. The harness registers a security key with
`PUT /_brownout/admin/aws/security-keys`, for IAM has no operation for that, and has users of the console made with
`PUT /_brownout/admin/aws/console-users`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from brownout.identity.aws import arns
from brownout.identity.aws.auth.totp import matching_period
from brownout.identity.aws.control.credentials import owned_by
from brownout.identity.aws.control.directory import IamDirectory
from brownout.identity.aws.records.credentials import MfaDevice, Secret
from brownout.identity.aws.records.principals import User
from brownout.identity.aws.signin.attempts import (
    SignInAttempt,
    SignInRefused,
    devices_of,
    is_security_key,
    judge_code,
    user_with_password,
)
from brownout.identity.aws.signin.console_users import console_logins, make_user
from brownout.identity.aws.signin.security_keys import (
    BadAssertion,
    Challenges,
    challenge_of,
    check_signature,
    is_public_key,
    kept_under,
)
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.node import Node, read_as
from brownout.identity.core.surface import Served, error

PAGE, CHALLENGE_PAGE, KEYS_PAGE, USERS_PAGE = "/sign-in", "/sign-in-challenge", "/security-keys", "/console-users"


class HomeDirectory(IamDirectory):
    """IAM's control plane, which signs users in too."""

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self._challenges = Challenges(node.stack.control_token)
        self._newest_codes: dict[str, int] = {}  # by serial number: the period of the newest code that was taken

    async def serve(self, request: Request, path: str) -> Served | None:
        if request.method == "POST" and path == PAGE:
            return Served(self._judge(read_as(SignInAttempt.from_json, request)), self._node.hop())
        if request.method == "POST" and path == CHALLENGE_PAGE:
            ports, name = self._node.ports, read_as(lambda raw: str(raw["user_name"]), request)
            made = self._challenges.make(name, ports.now(), ports.new_id())
            return Served(Response(200, {"challenge": made}), self._node.hop())
        return await super().serve(request, path)

    def _judge(self, attempt: SignInAttempt) -> Response:
        """200 with who is signed in or with the refusal."""
        account = self.publisher.edition(self._node.region)
        try:
            user = user_with_password(account, attempt)
            if attempt.assertion is not None:
                self._check_assertion(attempt, user)
                shown = True
            else:
                shown = judge_code(account, user, attempt.code, self._take_code)
        except SignInRefused as refused:
            return Response(200, {"refusal": refused.refusal})
        return Response(200, {"user_name": user.name, "mfa": shown})

    def _take_code(self, serial: str, code: str) -> bool:
        seed = self.publisher.edition(self._node.region).mfa_seeds.get(serial)
        newest = self._newest_codes.get(serial, -1)
        period = None if seed is None else matching_period(seed.seed, code, self._node.ports.now(), after=newest)
        if period is None:
            return False
        assert period > newest, "no code is taken twice"
        self._newest_codes[serial] = period
        return True

    def _check_assertion(self, attempt: SignInAttempt, user: User) -> None:
        """Raises SignInRefused unless one of the user's security keys made the assertion for a challenge of ours."""
        assertion = attempt.assertion
        assert assertion is not None
        tables, edition = self.account.durable.tables, self.publisher.edition(self._node.region)
        secrets = tables.table(Secret)
        keys = [
            secrets.get(kept_under(device.serial_number)) for device in devices_of(edition, user) if is_security_key(device)
        ]
        try:
            self._challenges.take(challenge_of(assertion), user.name, self._node.ports.now())
        except (BadAssertion, ValueError):
            raise SignInRefused("wrong-code") from None
        for key in keys:
            try:
                if key is not None:
                    check_signature(assertion, key.value)
                    return
            except BadAssertion:
                continue
        raise SignInRefused("wrong-code")

    async def control(self, request: Request, path: str) -> Response | None:
        if request.method == "PUT" and path == KEYS_PAGE:
            body = request.body or {}
            return await self._register(str(body["user"]), str(body["name"]), str(body["public_key"]))
        if request.method == "PUT" and path == USERS_PAGE:
            return await self._make_users(*read_as(_groups, request))
        return await super().control(request, path)

    async def _make_users(self, groups: Sequence[str], count: int) -> Response:
        """Sees to it that each group has so many users of the console, published to every region, and tells their secrets."""
        try:
            logins = console_logins(groups, count, self._node.stack.control_token)
        except ValueError as wrong:
            return error(400, "BadValue", str(wrong))
        transaction = self.account.begin()
        for login in logins:
            make_user(transaction, login)
        await self.account.commit(transaction)
        await self.publisher.publish_now()
        return Response(200, {"users": [login._asdict() for login in logins]})

    async def _register(self, user_name: str, name: str, public_key: str) -> Response:
        """Gives a user a security key, whose public key stays here."""
        if not is_public_key(public_key):
            return error(400, "BadKey", "public_key is the PEM text of a public key on P-256")
        transaction = self.account.begin()
        user = transaction.get(User, user_name.lower())
        if user is None:
            return error(404, "NoSuchEntity", f"The user with name {user_name} cannot be found.")
        serial = arns.security_key(self.account.account_id, user.name, name)
        owned = owned_by(transaction, user.name)
        if serial not in owned.mfa_devices:
            transaction.put(replace(owned, mfa_devices=(*owned.mfa_devices, serial)))
        now_s = transaction.now_s
        transaction.put(MfaDevice(serial, now_s, user_name=user.name, enabled_s=now_s), Secret(kept_under(serial), public_key))
        version = await self.account.commit(transaction)
        return Response(200, {"serial_number": serial, "version": version})


def _groups(raw: Mapping[str, Any]) -> tuple[tuple[str, ...], int]:
    """The groups of users that are wanted and how many of each; raises what `read_as` makes a refusal of."""
    if not isinstance(raw["groups"], list):
        raise TypeError("groups are a list of names")
    return tuple(map(str, raw["groups"])), int(raw["count"])
