"""The page of the measured clients, written from the stored measurements alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from brownout.suites.clients.answers import AGES, ANSWERS, OUTAGES
from brownout.suites.clients.expected import CAE, CUE, RETURNED, SLACK_S, compared, differences
from brownout.suites.clients.measure import CLIENTS, PYTHON
from brownout.suites.clients.records import ClientMeasurement
from brownout.suites.clients.survival import survivals

TITLES = {
    "sync": "azure-identity, sync",
    "async": "azure-identity, async",
    "dac": "DefaultAzureCredential, sync",
    "msal": "msal by itself",
    "js": "@azure/identity",
    "go": "azidentity",
    "java": "azure-identity for Java",
    "az-login": "`az login --identity`",
    "az-token": "`az account get-access-token`",
}
LANGUAGES = {
    **dict.fromkeys(PYTHON, "Python"),
    "js": "JavaScript",
    "go": "Go",
    "java": "Java",
    **dict.fromkeys(("az-login", "az-token"), "Azure CLI"),
}
SHORT = {CUE: "CUE", CAE: "CAE", RETURNED: "error returned"}
HEAD = """# Azure's clients, measured

What real clients do with each answer of IMDS, and whether they survive an outage.
`python -m brownout.suites.clients.table` wrote this page from [the measurements](data/azure-clients.json); with
`--client NAME` it measures a client again, on a stack of its own, with the fault `imds-answer`.
[How real clients behave](reference/real-clients.md) has the rules behind the figures.

"""
HOW = """
The command gets clients of other languages from their registries, with their own tools: `npm`, `go`, Maven with a JDK, and `uv`
for the Azure CLI. All are unmodified and on machines of a stack of their own. Those of Python and JavaScript read from a
variable where IMDS is. The others run by [`brownout exec`](azure.md#clients-that-take-no-url), with nothing set. The clocks of
Python and JavaScript are moved in the process; Go's program is built with a standard library whose clock can be moved. That of
Java runs with a small library before the C library, which moves the time of day and no clock that only counts.

"""
COLD = """## One token, without one before

*n* is how many requests reached IMDS, then the seconds and what the client raised; without a word it got a token. Seconds
are those that clients of Python and JavaScript chose to wait between requests. For the others they are real ones of a busy
machine: their first request and the start of their HTTP client, and of the whole program in the case of the Azure CLI, are
within. Eight programs start at once on two cores, which Java's show most: of its seconds up to forty are no wait.
CUE is `CredentialUnavailableError`, CAE `ClientAuthenticationError`. Where nothing listens no request can be counted; clients
that run by `brownout exec` meet a connection that is reset there.

"""
OTHERS = """The Azure CLI asks for a token to log in with an identity, and each later command is a process that asks again.
With a token that lives shorter than 300 s the login asks twice: once for itself, once more to list subscriptions.

"""
OLD = """## In an outage, with a token

The client had a token of 24 h when IMDS began to fail, and asked for it again at one of these ages. A call that gives the
old token after some seconds stalls its caller for so long.

"""
FINDING = """## Which client survives 5.5 hours

The outage of 12 July 2024 took 5.5 h. A token's age when it begins decides what happens to a process. Most clients ask for a
new token at half of the old one's life, after 12 h; then, of processes whose tokens are of all ages when the outage begins,
5.5 of 12 ask within it: 46 %. The others notice nothing. A client *survives* when those that ask in vain go on with the token
that they have, whatever IMDS answers. azidentity asks only in a token's last five minutes: fewer processes ask within the
outage, and none of those can go on. Of the Azure CLI each command is a process that asks. Seconds are how long a call takes
that asks in vain.

"""
COMPARED = """## Compared with older figures

Python's clients were measured before on scripted servers, without Brownout. {agreeing} of {number} figures that can be
compared agree: requests and errors exactly, seconds within {slack} s, since the older ones have the requests themselves in
them.

"""
NOT_COMPARED = """Not measured here: an IMDS that accepts a connection and never answers, at which clients hang for up to 300 s
in each attempt, and the page of a proxy that says `unreachable`.
"""


def page(rows: Sequence[ClientMeasurement]) -> str:
    """The whole page, in Markdown."""
    clients = [client for client in CLIENTS if any(row.client == client for row in rows)]
    found = {(row.client, row.answer, row.age): row for row in rows}
    python, others = [each for each in clients if each in PYTHON], [each for each in clients if each not in PYTHON]
    aged = [client for client in clients if any((client, answer.name, next(iter(AGES))) in found for answer in OUTAGES)]
    parts = [HEAD, _finding(rows), HOW, _versions(rows, clients), COLD]
    parts += [_cold(found, python), OTHERS, _cold(found, others)] if others else [_cold(found, python)]
    return "".join([*parts, OLD, _old(found, aged), _compared(rows)])


def _versions(rows: Sequence[ClientMeasurement], clients: Sequence[str]) -> str:
    first = {client: next(row for row in rows if row.client == client) for client in clients}
    lines = [f"| {TITLES[name]} | {LANGUAGES[name]} | {row.version} | {row.measured} |" for name, row in first.items()]
    return "\n".join(["| client | language | version | measured |", "|---|---|---|---|", *lines, "", ""])


def _cold(found: dict[tuple[str, str, str], ClientMeasurement], clients: Sequence[str]) -> str:
    lines = [f"| IMDS answers | {' | '.join(TITLES[client] for client in clients)} |", "|---" * (len(clients) + 1) + "|"]
    for answer in ANSWERS:
        cells = [_cell(found.get((client, answer.name, ""))) for client in clients]
        lines.append(f"| {answer.title} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", ""])


def _old(found: dict[tuple[str, str, str], ClientMeasurement], clients: Sequence[str]) -> str:
    lines = [f"| IMDS answers | age | {' | '.join(TITLES[client] for client in clients)} |", "|---" * (len(clients) + 2) + "|"]
    for answer in OUTAGES:
        for age in AGES:
            cells = [_cell(found.get((client, answer.name, age))) for client in clients]
            lines.append(f"| {answer.title} | {age} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", ""])


def _cell(row: ClientMeasurement | None) -> str:
    if row is None:
        return "not measured"
    requests = "" if row.requests is None else f"n={row.requests} "
    return f"{requests}{row.seconds:.1f} s {SHORT.get(row.error, row.error)}".rstrip()


def _finding(rows: Sequence[ClientMeasurement]) -> str:
    """A line for each client."""
    titles = [answer.title for answer in OUTAGES]
    head = ["client", "survives", "asks within it", *titles]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for each in survivals(rows):
        stalls = [f"{each.stalls_s[a.name]:.1f} s{', raises' if a.name in each.raises else ''}" for a in OUTAGES]
        asking = f"{each.asking_share:.0%} of processes" if each.refreshes_s else "every process"
        lines.append(f"| {' | '.join([TITLES[each.client], 'yes' if each.survives else '**no**', asking, *stalls])} |")
    return "\n".join([FINDING + lines[0], *lines[1:], ""])


def _compared(rows: Sequence[ClientMeasurement]) -> str:
    """How many agree, and a line for each that does not."""
    number, found = len(list(compared(rows))), differences(rows)
    text = COMPARED.format(agreeing=number - len(found), number=number, slack=SLACK_S)
    if not found:
        return text + NOT_COMPARED
    lines = ["| client | IMDS answers | before | here | why |", "|---|---|---|---|---|"]
    titles = {answer.name: answer.title for answer in ANSWERS}
    for each in found:
        row = each.measured
        answer = f"{titles[row.answer]}{', token of ' * bool(row.age)}{row.age}"
        before = _cell(replace(row, requests=each.expected.requests, seconds=each.expected.seconds, error=each.expected.error))
        lines.append(f"| {TITLES[row.client]} | {answer} | {before} | {_cell(row)} | {each.reason} |")
    return "\n".join([text + NOT_COMPARED, *lines, ""])
