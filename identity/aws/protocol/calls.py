"""Requests understood: which operation a request calls, and with what.

The parts are apart because the real services refuse in this order: an operation that they do not have, then a caller that
they do not know, then parameters that break a constraint, then what the caller may not do. So a surface asks
`find_operation`, authenticates the caller, and then asks for the call: `AskedOperation.call`.
Wire facts: docs/reference/aws-wire.md#query-requests, docs/reference/aws-wire.md#json-requests.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from brownout.identity.aws.errors import AwsError, invalid_action
from brownout.identity.aws.protocol.constraints import checked
from brownout.identity.aws.protocol.forms import fields_of, form_fields, is_form, payload_of, tree_of
from brownout.identity.aws.protocol.services import AwsOperation, Params, Service
from brownout.identity.core.messages import Request, decode_json
from brownout.identity.repeated import Repeated

NO_VERSION = "NO_VERSION_SPECIFIED"
KNOWN_FORMS, KNOWN_FORM_MAX = 1024, 512  # how many forms are remembered as calls, and of how many bytes at most
_known_forms = Repeated[tuple[str, bytes], "AskedOperation"](KNOWN_FORMS, KNOWN_FORMS)
log = logging.getLogger(__name__)


class AwsCall(NamedTuple):
    """A request understood: the operation, and its parameters typed and checked.

    Parameters are by the model's names: strings str, integers int, booleans bool, timestamps float (seconds since 1970),
    blobs bytes, lists tuples, structures and maps mappings. A parameter that was not given is absent.
    """

    operation: AwsOperation
    params: Params


class AskedOperation:
    """A request whose operation is known, with its parameters as they came."""

    __slots__ = ("_call", "_given", "operation")

    def __init__(self, operation: AwsOperation, given: Any) -> None:
        self.operation = operation
        self._given = given
        self._call: AwsCall | None = None

    def call(self) -> AwsCall:
        """The call; raises MalformedInput or ValidationError where the parameters break a type or a constraint."""
        if self._call is None:
            params = self.operation.read(self._given)
            checked(params, self.operation.check)
            self._call = AwsCall(self.operation, params)
        return self._call


def find_operation(service: Service, request: Request) -> AskedOperation:
    """What a request asks for; raises AwsError for what names no operation of the service, or cannot be read."""
    return _query_asked(service, request) if service.protocol == "query" else _json_asked(service, request)


def _query_asked(service: Service, request: Request) -> AskedOperation:
    if request.method not in ("GET", "POST"):
        raise AwsError.of("MethodNotAllowed", "The specified method is not allowed against this resource.")
    if request.method == "POST" and len(request.payload) <= KNOWN_FORM_MAX and request.target == "/" and is_form(request):
        return _asked_by_form(service, request.payload)
    return _asked(service, fields_of(request))


def _asked(service: Service, fields: Mapping[str, str]) -> AskedOperation:
    action = fields.get("Action")
    if not action:
        raise AwsError.of("MissingAction", "The request is missing an action or a required parameter.")
    version = fields.get("Version") or NO_VERSION
    operation = service.operation(action) if version == service.version else None
    if operation is None:
        raise invalid_action(action, version)
    return AskedOperation(operation, tree_of(fields))


def _asked_by_form(service: Service, payload: bytes) -> AskedOperation:
    """What a form asks for, which depends on nothing else: clients ask for the same again and again.

    No refusal is remembered, and what is good for one caller is not: who may call is found out each time.
    """
    key = (service.name, payload)
    asked = _known_forms.get(key)
    if asked is None:
        asked = _asked(service, form_fields(payload))
        _known_forms.note(key, asked)
    return asked


def _json_asked(service: Service, request: Request) -> AskedOperation:
    prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
    operation = service.operation(name) if prefix == service.target_prefix and request.method == "POST" else None
    if operation is None:
        raise invalid_action(name, service.version)
    payload = payload_of(request)
    try:
        return AskedOperation(operation, decode_json(payload or b"{}"))
    except ValueError:
        is_list = payload.lstrip()[:1] == b"["
        text = "Start of list found where not expected" if is_list else ""
        raise AwsError.of("SerializationException", text) from None


def not_built(operation: AwsOperation) -> AwsError:
    """The error for an operation that the service has and this emulation has not, which the node's log then names."""
    log.warning("%s is not built: answered as an unknown action", operation.action)
    return invalid_action(operation.name, operation.version)
