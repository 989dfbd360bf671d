"""Lists of ARM in pages: `$top` says how long a page is, `$skiptoken` in the link to the next where it begins.

A token names the last element of the page before, so an element that comes or goes meanwhile moves no other one.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from urllib.parse import quote

from brownout.identity.azure.arm.calls import ArmCall
from brownout.identity.azure.errors import error
from brownout.identity.core.messages import PATH_SAFE, Response
from brownout.identity.core.records import Json

MOST = 1000


def page(call: ArmCall, shown: Sequence[Json], base: str) -> Response:
    """The page that the call asks for, of elements that are sorted by their names; `base` is this front end's URL."""
    query = call.request.query
    try:
        length = int(query.get("$top", MOST))
        after = urlsafe_b64decode(query.get("$skiptoken", "").encode()).decode()
    except ValueError:
        return error(400, "InvalidQueryParameter", "The query parameter '$top' or '$skiptoken' is invalid.")
    if not 1 <= length <= MOST:
        return error(400, "InvalidQueryParameter", f"The query parameter '$top' is from 1 to {MOST}.")
    left = [each for each in shown if str(each["name"]) > after]
    value = left[:length]
    if len(left) <= length:
        return Response(200, {"value": value})
    token = urlsafe_b64encode(str(value[-1]["name"]).encode()).decode()
    link = f"{base}{quote(call.path, safe=PATH_SAFE)}?api-version={call.version}&$top={length}&$skiptoken={quote(token)}"
    return Response(200, {"value": value, "nextLink": link})
