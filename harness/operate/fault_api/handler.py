"""The fault API's requests: which there are, and what answers each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from pydantic import BaseModel, ValidationError

from brownout.harness.base.halt import read_halt
from brownout.harness.base.pydantic_errors import explain
from brownout.harness.base.statedir import state_dir
from brownout.harness.errors import BrownoutError, UsageError
from brownout.harness.injection.ledger_records import StackRecord
from brownout.harness.operate.fault_api.guard import require_allowed, require_json
from brownout.harness.operate.fault_api.held_faults import HeldFaults
from brownout.harness.operate.fault_api.messages import FaultOrder, StackStatus
from brownout.harness.operate.fault_api.openapi import document
from brownout.harness.operate.fault_api.problems import HttpError, answer_of
from brownout.harness.operate.loads.good_share import Probes
from brownout.harness.operate.status import overview
from brownout.identity.core.messages import BadPayload, Request, Response

Respond = Callable[[Request], Awaitable[Response]]
WAIT = {"": True, "true": True, "false": False}


class Api:
    """The API of the stack `row`; every request must bear `token`."""

    def __init__(self, row: StackRecord, token: str, url: str) -> None:
        self._row, self._token, self._url = row, token, url
        self._faults, self._probes = HeldFaults(row), Probes()

    async def handle(self, request: Request) -> Response:
        """The answer, a problem document for every error."""
        try:
            require_allowed(request, self._token)
            return await self._answer(request)(request)
        except BadPayload as bad:
            return answer_of(HttpError(400, str(bad), hint="send one JSON object"))
        except BrownoutError as error:
            return answer_of(error)

    def _answer(self, request: Request) -> Respond:
        """What answers it; raises HttpError for no such path or method."""
        match request.words:
            case ["faults"]:
                answers: Mapping[str, Respond] = {"GET": self._list, "DELETE": self._heal_all}
            case ["faults", _]:
                answers = {"GET": self._show, "PUT": self._put, "DELETE": self._heal}
            case ["status"]:
                answers = {"GET": self._status}
            case ["openapi.json"]:
                answers = {"GET": self._document}
            case _:
                raise HttpError(404, f"there is no {request.path!r}", hint="there are /faults, /status and /openapi.json")
        found = answers.get("GET" if request.method == "HEAD" else request.method)
        if found is None:
            allow = ", ".join(answers)
            raise HttpError(405, f"{request.path} does not take {request.method}", hint=f"it takes {allow}", allow=allow)
        return found

    async def _list(self, request: Request) -> Response:
        return _told(self._faults.all())

    async def _show(self, request: Request) -> Response:
        return _told(self._faults.show(request.words[1]))

    async def _put(self, request: Request) -> Response:
        order, name = _order(request), request.words[1]
        wait = WAIT.get(request.query.get("wait", ""))
        if wait is None:
            raise UsageError("wait is true or false", hint="wait=false answers at once; GET tells what became of the fault")
        if not wait:
            begun = self._faults.put_later(name, order)
            return _told(begun, 202, {"location": f"/faults/{begun.name}"})
        found, is_new = await self._faults.put(name, order)
        return _told(found, 201, {"location": f"/faults/{found.id}"}) if is_new else _told(found)

    async def _heal(self, request: Request) -> Response:
        return _told(await self._faults.heal(request.words[1]))

    async def _heal_all(self, request: Request) -> Response:
        return _told(await self._faults.heal_all())

    async def _status(self, request: Request) -> Response:
        halt = read_halt(state_dir())
        view = await overview(self._row, self._probes)
        return _told(StackStatus(halted=None if halt is None else str(halt), stack=view))

    async def _document(self, request: Request) -> Response:
        return Response(200, await asyncio.to_thread(document, self._url))


def _told(found: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, found.model_dump(mode="json"), headers or {})


def _order(request: Request) -> FaultOrder:
    """The order in the payload; raises UsageError, BadPayload."""
    require_json(request)
    if request.body is None:
        raise UsageError("there is no payload", hint='send one such as {"fault": "node-kill", "target": "sydney.token.z1"}')
    try:
        return FaultOrder.model_validate(request.body)
    except ValidationError as error:
        problems = explain(error, FaultOrder.model_json_schema())
        hints = "; ".join(problem.hint for problem in problems if problem.hint)
        raise UsageError("; ".join(map(str, problems)), hint=hints or "/openapi.json has what a fault may be") from None
