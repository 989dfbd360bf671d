"""What Python's clients were seen to do with each answer before: on scripted servers, without Brownout.

docs/reference/real-clients.md has the same figures with their rules. `differences` says where a measurement does not agree, and
`REASONS` why. For the other clients there are no earlier measurements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from brownout.suites.clients.records import ClientMeasurement

CUE, CAE = "CredentialUnavailableError", "ClientAuthenticationError"
RETURNED, NO_JSON, NO_CONNECTION = "ErrorReturned", "JSONDecodeError", "ConnectionError"
SLACK_S = 0.2  # the older seconds have the requests themselves in them


@dataclass(frozen=True, slots=True)
class Expectation:
    """`requests` is None where none can be seen. `error` is "" for a token."""

    requests: int | None
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """A measurement that is not as expected, and the reason if one is known."""

    measured: ClientMeasurement
    expected: Expectation
    reason: str


def _row(requests: int, seconds: float, sync: str, asynchronous: str, msal: str) -> dict[str, Expectation]:
    """Clients of azure-identity alike but for the error; DefaultAzureCredential as the sync one with an error of its own."""
    retrying = {"sync": sync, "async": asynchronous, "dac": CAE if sync else ""}
    found = {client: Expectation(requests, seconds, error) for client, error in retrying.items()}
    return found | {"msal": Expectation(1, 0.0, msal)}


def _once(sync: str, asynchronous: str, msal: str) -> Mapping[str, Expectation]:
    return _row(1, 0.0, sync, asynchronous, msal)


_NOT_RETRIED = _once(CUE, CAE, RETURNED)
_RETRIED = _row(6, 24.1, CUE, CAE, RETURNED)
COLD: Mapping[str, Mapping[str, Expectation]] = {
    "ok": _once("", "", ""),
    "no-expires-in": _once(CUE, "", ""),
    "no-resource": _once("", CUE, ""),
    "refresh-in-text": _once("", CUE, ""),
    "short-life": _once("", "", ""),
    "html": _once(CUE, CUE, NO_JSON),
    "bad-json": _once(CAE, CAE, NO_JSON),
    "empty": _once(CUE, CAE, NO_JSON),
    "400": _once(CUE, CUE, RETURNED),
    **dict.fromkeys(("401", "403", "405"), _NOT_RETRIED),
    **dict.fromkeys(("404", "408", "429", "500", "502", "503", "504"), _RETRIED),
    "410": _row(6, 75.1, CUE, CAE, RETURNED),
    "429-after-3": _row(6, 15.1, CUE, CAE, RETURNED),
    "503-after-7": _row(6, 35.1, CUE, CAE, RETURNED),
    "400-after-3": _row(6, 15.1, CUE, CUE, RETURNED),
    "410-1": _row(2, 0.1, "", "", RETURNED),
    "410-3": _row(4, 15.1, "", "", RETURNED),
    "503-3": _row(4, 4.9, "", "", RETURNED),
    "dropped": _row(4, 4.8, CUE, CUE, NO_CONNECTION) | {"async": Expectation(8, 4.8, CUE)},
    "refused": {
        **dict.fromkeys(("sync", "async"), Expectation(None, 4.8, CUE)),
        "dac": Expectation(None, 4.8, CAE),
        "msal": Expectation(None, 0.0, NO_CONNECTION),
    },
}
_YOUNG, _PAST_HALF, _AT_THE_END = "11 h", "17 h 30 min", "23 h 57 min"
_NO_REQUEST, _NOTHING_SEEN = Expectation(0, 0.0), Expectation(None, 0.0)
OLD: Mapping[tuple[str, str], Mapping[str, Expectation]] = {
    **{(answer, _YOUNG): dict.fromkeys(("sync", "async", "msal"), _NO_REQUEST) for answer in ("500", "400")},
    ("refused", _YOUNG): dict.fromkeys(("sync", "async", "msal"), _NOTHING_SEEN),
    ("500", _PAST_HALF): {"sync": Expectation(6, 24.1), "async": Expectation(6, 24.1, CAE), "msal": Expectation(1, 0.0)},
    ("400", _PAST_HALF): {"sync": Expectation(1, 0.0), "async": Expectation(1, 0.0, CUE), "msal": Expectation(1, 0.0)},
    ("refused", _PAST_HALF): {"sync": Expectation(None, 4.8), "async": Expectation(None, 4.8, CUE)},
    ("500", _AT_THE_END): {
        "sync": Expectation(6, 24.1, CUE),
        "async": Expectation(6, 24.1, CAE),
        "msal": Expectation(1, 0.0, RETURNED),
    },
    ("400", _AT_THE_END): {
        "sync": Expectation(1, 0.0, CUE),
        "async": Expectation(1, 0.0, CUE),
        "msal": Expectation(1, 0.0, RETURNED),
    },
    ("refused", _AT_THE_END): {"sync": Expectation(None, 4.8, CUE), "async": Expectation(None, 4.8, CUE)},
}
REASONS: Mapping[tuple[str, str], str] = {}  # of a client and an answer


def expectation(client: str, answer: str, age: str) -> Expectation | None:
    """None where nothing was measured before."""
    known = OLD.get((answer, age), {}) if age else COLD.get(answer, {})
    return known.get(client)


def agrees(measured: ClientMeasurement, expected: Expectation) -> bool:
    """Requests and error exactly, seconds nearly."""
    as_it_is = (measured.requests, measured.error) == (expected.requests, expected.error)
    return as_it_is and abs(measured.seconds - expected.seconds) <= SLACK_S


def compared(rows: Sequence[ClientMeasurement]) -> Iterator[tuple[ClientMeasurement, Expectation]]:
    """Each measurement of which something is expected."""
    for row in rows:
        expected = expectation(row.client, row.answer, row.age)
        if expected is not None:
            yield row, expected


def differences(rows: Sequence[ClientMeasurement]) -> tuple[Difference, ...]:
    """Every measurement that is not as expected."""
    return tuple(
        Difference(row, expected, REASONS.get((row.client, row.answer), ""))
        for row, expected in compared(rows)
        if not agrees(row, expected)
    )
