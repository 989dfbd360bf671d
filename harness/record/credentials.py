"""What credentials a request was about, as its line of the log has them: wanted, given by the answer, shown to the service.

Invariants compare the three: what was given with what was wanted, and what was accepted with what had been withdrawn. No secret
is part of it. The text form is compact, because there is one for each request of a load:
`use;subject;name;owner;audience;from_s;to_s;key_id`, several joined by `>`. An empty part is not known.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple, get_args
from urllib.parse import quote, unquote

Use = Literal["wanted", "given", "shown"]
USES: tuple[Use, ...] = get_args(Use)
_KEPT = "/:@,=+$ "  # as they are: neither separates anything
REMEMBERED = 8192


class Credential(NamedTuple):
    """Credentials in one of their uses.

    `subject` is the unique id of whom they are for (an object id, a role's id), `name` what people call it (a resource id, an
    ARN). `owner` is the tenant or account, `audience` for whom they are meant. They are in force from `from_s` to `to_s`
    (emulated epoch seconds), None where that is not known or has no end. `key_id` is the access key's id, or that of the key
    which signed a token.
    """

    use: Use
    subject: str = ""
    name: str = ""
    owner: str = ""
    audience: str = ""
    from_s: float | None = None
    to_s: float | None = None
    key_id: str = ""

    def __str__(self) -> str:
        use, subject, name, owner, audience, from_s, to_s, key_id = self  # by name it takes longer
        told_key = key_id if key_id.isalnum() and key_id.isascii() else _quoted(key_id)  # there is one for each credential
        texts = f"{use};{_quoted(subject)};{_quoted(name)};{_quoted(owner)};{_quoted(audience)}"
        return f"{texts};{_time_text(from_s)};{_time_text(to_s)};{told_key}"


def _time_text(at_s: float | None) -> str:
    return "" if at_s is None else f"{at_s:.3f}".rstrip("0").rstrip(".")


@lru_cache(maxsize=REMEMBERED)  # what credentials name is the same in most of them
def _quoted(text: str) -> str:
    return quote(text, safe=_KEPT)


def told(*credentials: Credential | str) -> str:
    """The text of all of them in order, without the empty ones."""
    return ">".join(text for each in credentials if (text := str(each)))


@lru_cache(maxsize=REMEMBERED)  # tokens are asked for again and again
def parse(text: str) -> tuple[Credential, ...]:
    """The credentials of a text; raises ValueError for what is none."""
    return tuple(map(_one, text.split(">"))) if text else ()


def _one(text: str) -> Credential:
    use, *parts = text.split(";")
    if use not in USES or len(parts) != len(Credential._fields) - 1:
        raise ValueError(f"{text[:80]!r} tells no credentials")
    subject, name, owner, audience, from_s, to_s, key_id = map(unquote, parts)
    return Credential(use, subject, name, owner, audience, _time(from_s), _time(to_s), key_id)


def _time(text: str) -> float | None:
    if not text:
        return None
    at_s = float(text)
    if not math.isfinite(at_s):
        raise ValueError(f"{text!r} is no time")
    return at_s
