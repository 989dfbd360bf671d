"""Credentials for containers on a machine: the pages that AWS_CONTAINER_CREDENTIALS_FULL_URI may point at.

Two forms, each with the errors of the agent that it stands for: `/{address}/v2/credentials/{id}`, the agent of ECS, and
`/{address}/v1/credentials`, that of EKS Pod Identity. Both want the machine's own authorization token, which is a client's
AWS_CONTAINER_AUTHORIZATION_TOKEN. Wire facts: docs/reference/aws-wire.md#container-credentials.
"""

from __future__ import annotations

import hashlib
import hmac

from brownout.identity.aws.hosts import addressing
from brownout.identity.aws.hosts.annex import Given, annex_of
from brownout.identity.aws.hosts.imds import forced_page
from brownout.identity.aws.hosts.instances import utc
from brownout.identity.aws.instance_credentials import ECS_TASKS, EKS_PODS
from brownout.identity.core.messages import Request, Response
from brownout.identity.core.nodes.host import Host
from brownout.identity.core.records import Machine
from brownout.identity.core.surface import Served

ECS_PAGE, EKS_PAGE = "v2", "v1"


def authorization_token(control_token: str, address: str) -> str:
    """The token that a container of the machine of that address shows to get credentials."""
    return hmac.digest(control_token.encode(), f"aws-container {address}".encode(), hashlib.sha256).hex()


def credentials_id(control_token: str, address: str) -> str:
    """The id of the machine's credentials at the agent of ECS, a UUID."""
    made = hmac.digest(control_token.encode(), f"aws-container-id {address}".encode(), hashlib.sha256).hex()
    return "-".join((made[:8], made[8:12], f"4{made[13:16]}", f"a{made[17:20]}", made[20:32]))


def ecs_path(control_token: str, address: str) -> str:
    """The path on its host at which a container of the machine finds credentials as a task of ECS does."""
    return f"/{address}/{ECS_PAGE}/credentials/{credentials_id(control_token, address)}"


def eks_path(address: str) -> str:
    """The path on its host at which a container of the machine finds credentials as a pod of EKS does."""
    return f"/{address}/{EKS_PAGE}/credentials"


class ContainerCredentials:
    """The surface of both agents. It takes `v1/credentials` and `v2/credentials`."""

    def __init__(self, node: Host) -> None:
        self._annex, self._node = annex_of(node), node
        self._secret = self._node.stack.control_token

    def takes(self, request: Request) -> bool:
        return addressing.is_ours(request) and addressing.resolve(request, self._node).words[0] in (ECS_PAGE, EKS_PAGE)

    async def serve(self, request: Request) -> Served:
        wanted, node = addressing.resolve(request, self._node), self._node
        if wanted.machine is None or wanted.words[1:2] != ("credentials",):
            return Served(_text(404, "404 page not found"), node.hop())
        forced = self._annex.forced_answer(wanted.machine.address, "container")
        if forced is not None:
            return Served(forced_page(forced), node.hop())
        if request.method != "GET":
            return Served(_text(405, "Method Not Allowed"), node.hop())
        is_ecs, token = wanted.words[0] == ECS_PAGE, request.headers.get("authorization", "")
        refused = self._ecs_refusal(wanted, token) if is_ecs else self._eks_refusal(wanted, token)
        if refused is not None:
            return Served(refused, node.hop())
        return await self._give(wanted.machine, is_ecs=is_ecs)

    def _is_token(self, machine: Machine, given: str) -> bool:
        wanted = authorization_token(self._secret, machine.address)
        return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())

    def _ecs_refusal(self, wanted: addressing.MachinePage, token: str) -> Response | None:
        assert wanted.machine is not None
        given = wanted.words[2:]
        if not given:
            return _ecs_error(400, "NoIdInRequest", "No Credential ID in the request")
        known = credentials_id(self._secret, wanted.machine.address)
        if given != (known,):
            return _ecs_error(400, "InvalidIdInRequest", "Credentials not found")
        if not self._is_token(wanted.machine, token):
            return _ecs_error(403, "AccessDenied", "The authorization token is not that of the task")
        return None

    def _eks_refusal(self, wanted: addressing.MachinePage, token: str) -> Response | None:
        assert wanted.machine is not None
        if len(wanted.words) > 2:
            return _text(404, "404 page not found")
        if not token:
            return _text(400, "Service account token cannot be empty")
        if not self._is_token(wanted.machine, token):
            return _text(400, "Service account token cannot be parsed")
        return None

    async def _give(self, machine: Machine, *, is_ecs: bool) -> Served:
        self._annex.count_request(machine.address)
        instance = self._annex.instance(machine)
        given = await self._annex.credentials(instance, machine, service=ECS_TASKS if is_ecs else EKS_PODS)
        role_arn = instance.role_arn
        answer = self._ecs_answer(given, role_arn) if is_ecs else self._eks_answer(given, role_arn)
        return Served(answer, given.hop, given.inner)

    def _ecs_answer(self, given: Given, role_arn: str) -> Response:
        if given.failure is not None and given.failure.is_outage:
            return _ecs_error(503, "CredentialsUninitialized", "Credentials uninitialized for ID")
        if given.credentials is None:
            return _ecs_error(400, "NoCredentialsAssociated", f"ECS cannot assume the role {role_arn}")
        return Response(200, {"RoleArn": role_arn} | self._credentials(given))

    def _eks_answer(self, given: Given, role_arn: str) -> Response:
        if given.failure is not None and given.failure.is_outage:
            return _text(500, "Internal Server Error")
        if given.credentials is None:
            return _text(403, f"AccessDeniedException: Unable to assume the role {role_arn}")
        return Response(200, self._credentials(given) | {"AccountId": self._annex.account_id})

    def _credentials(self, given: Given) -> dict[str, str]:
        found = given.credentials
        assert found is not None
        return {
            "AccessKeyId": found.access_key_id,
            "SecretAccessKey": found.secret,
            "Token": found.token,
            "Expiration": utc(self._annex.client_time(found.expires_s)),
        }


def _ecs_error(status: int, code: str, message: str) -> Response:
    """An error as the agent of ECS words it, whose names are not all of one style."""
    return Response(status, {"code": code, "message": f"CredentialsV2Request: {message}", "HTTPErrorCode": status})


def _text(status: int, content: str) -> Response:
    """An error as the agent of EKS Pod Identity words it: a line of text."""
    return Response.raw(status, ((b"content-type", b"text/plain; charset=utf-8"),), f"{content}\n".encode())
