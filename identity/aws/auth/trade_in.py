"""Trade-in tokens of delegation requests: sealed sessions that cannot sign anything, and say which request they are of.

What stands for the access key's id in such a session is the mark of its request, which no key's id looks like; there is no
secret. So a trade-in token is no session token, and a session token no trade-in token.
"""

from __future__ import annotations

MARK = "delegation-request/"


def mark_of(request_id: str) -> str:
    return f"{MARK}{request_id}"


def is_mark(access_key_id: str) -> bool:
    return access_key_id.startswith(MARK)
