"""What invariants read from a history: the looks at the stack's state, and the requests between two looks that agree.

Theory. A look says what was withdrawn and who had heard of it at one moment. What is true of a request's moment is known
where the looks before and after it say the same and no fault came or went between them. Requests outside of such a *calm*
stretch are no evidence, either way.

Most of what a request tells is told by many others in the same words: machines ask again and again with the same credentials,
over the same nodes. So requests are also there in groups of such as are *alike* in all but their times, ids and errors, and a
check asks once of each group what cannot differ within it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from brownout.harness.judge.steps import RELEASED, Life, lives
from brownout.harness.record.credentials import USES, Credential, Use, parse
from brownout.harness.record.history import NOT_SENT, Event, History, RequestRecord
from brownout.harness.record.reach import Reach
from brownout.identity.core import trail
from brownout.identity.core.topology import NodeName
from brownout.identity.core.trail import Hop

REPLICA, ACCOUNT = "replica", "account"
_TOUCHES = frozenset({"intended", "applied", "reverting"}) | RELEASED
_ALWAYS = float("inf")
WRONG_CLOCKS = "clock-skew"  # the fault that makes a node's clock wrong: it cannot keep what it promises of times
REMEMBERED = 65_536
_LIKENESS = ("cohort", "operation", "region", "machine", "outcome", "trail", "credentials")
_likeness = itemgetter(*map(RequestRecord._fields.index, _LIKENESS))

Versions = Mapping[str, int]


class Promises(NamedTuple):
    """What the stack promised, as the run recorded it at its start.

    `key_cache_s` is for how long a verifier may go by a key set that lacks a key, None in a record that does not say.
    """

    tenant_id: str
    account_id: str
    publish_interval_s: float
    iam_publish_interval_s: float
    clock_rate: float
    key_cache_s: float | None = None


class Withdrawal(NamedTuple):
    """A subject that the directory had withdrawn, and the versions that it sent when this was first seen."""

    name: str
    sent: Versions


@dataclass(frozen=True, slots=True)
class StateLook:
    """One look. `is_told`: the directory answered. `sent` has its versions by publication, `held` those of each node.

    `accepted_keys` are the signing keys that each vault trusts. `published_keys` are those that each token node publishes, with
    the time since which it does (emulated epoch seconds), None for longer than the node can say.
    """

    began_s: float
    at_s: float
    is_told: bool
    sent: Versions
    held: Mapping[str, Versions]
    withdrawn: Mapping[str, Withdrawal]
    returned: frozenset[str]
    refused_keys: Mapping[str, frozenset[str]]
    accepted_keys: Mapping[str, frozenset[str]]
    published_keys: Mapping[str, Mapping[str, float | None]]

    def knows(self, node: str, subject: str) -> bool:
        """Whether the node had heard that the subject is withdrawn."""
        found, held = self.withdrawn.get(subject), self.held.get(node, {})
        if found is None:
            return False
        kind = REPLICA if subject.startswith("identity:") else ACCOUNT
        publication = kind if kind == REPLICA else f"{ACCOUNT}:{NodeName.parse(node).region}"
        return kind in held and publication in found.sent and held[kind] >= found.sent[publication]


@dataclass(frozen=True, slots=True)
class StepInPlace:
    """A step while it was in place, [start_s, end_s). `reach` is what it broke, None in a record that does not say."""

    name: str
    start_s: float
    end_s: float
    life: Life
    reach: Reach | None

    def was(self, start_s: float, end_s: float) -> bool:
        """Whether it was in place at some time from one to the other."""
        return self.start_s <= end_s and start_s <= self.end_s


@dataclass(frozen=True, slots=True)
class Facts:
    """A history as invariants read it. `requests` are those that were sent, by intended time.

    `alike` has all of them in groups that have the `_LIKENESS` in common, in the same order, and the groups by their first
    request. `showing` are those that showed credentials, and `sessions` those of each cohort in each region where an answer
    told a version of AWS's account: many checks read nothing else, and all others of them would be gone through in vain.
    """

    history: History
    promises: Promises | None
    looks: tuple[StateLook, ...]
    steps: tuple[StepInPlace, ...]
    requests: tuple[RequestRecord, ...]
    alike: tuple[Sequence[RequestRecord], ...]
    showing: tuple[RequestRecord, ...]
    sessions: tuple[Sequence[RequestRecord], ...]
    _calm: tuple[tuple[StateLook, StateLook], ...]
    _starts_s: tuple[float, ...] = field(default=())
    skewed: tuple[StepInPlace, ...] = field(default=())

    @classmethod
    def of(cls, history: History) -> Facts:
        """From a history, which may have no looks."""
        looks = tuple(_looks(history.events))
        touched_s = sorted(event.at_s for event in history.events if event.kind == "act" and event.what in _TOUCHES)
        calm = tuple((a, b) for a, b in pairwise(looks) if not _any_within(touched_s, a.at_s, b.began_s))
        steps, starts_s = _in_place(history), tuple(a.at_s for a, _ in calm)
        skewed = tuple(step for step in steps if step.life.said("fault") == WRONG_CLOCKS)
        sent = tuple(request for request in history.requests if request.error not in NOT_SENT)
        alike = _alike(sent)
        texts = {each[0].credentials for each in alike if credentials(each[0], "shown")}
        showing = tuple(request for request in sent if request.credentials in texts)
        promises, sessions = _promises(history.events), _sessions(sent, alike)
        return cls(history, promises, looks, steps, sent, alike, showing, sessions, calm, starts_s, skewed)

    def clocks_agree(self, start_s: float, end_s: float) -> bool:
        """Whether no node's clock was made wrong at some time from one to the other."""
        return not any(step.was(start_s, end_s) for step in self.skewed)

    def calm(self, request: RequestRecord) -> tuple[StateLook, StateLook] | None:
        """The looks before and after the whole of the request, where they bound a calm stretch."""
        index = bisect_right(self._starts_s, request.sent_s) - 1
        if index < 0:
            return None
        before, after = self._calm[index]
        return (before, after) if before.at_s < request.sent_s and request.done_s < after.began_s else None

    def ever_withdrawn(self) -> frozenset[str]:
        """All subjects that were withdrawn at some look."""
        return frozenset().union(*(look.withdrawn for look in self.looks))

    def withdrawn(self, request: RequestRecord, subject: str, nodes: Iterable[str]) -> bool:
        """Whether the subject was withdrawn for the whole of the request, and all of these nodes (at least one) knew it."""
        stretch, asked = self.calm(request), tuple(nodes)
        if stretch is None or not asked:
            return False
        before, after = stretch
        return after.is_told and subject in after.withdrawn and all(before.knows(node, subject) for node in asked)


def credentials(request: RequestRecord, use: Use) -> tuple[Credential, ...]:
    """The request's credentials in one use."""
    return _by_use(request.credentials)[use] if request.credentials else ()


def bearer_tokens(request: RequestRecord, *uses: Use) -> Iterable[Credential]:
    """The request's tokens that name the key which signed them and have an end, in these uses."""
    return _bearer_tokens(request.credentials, uses) if request.credentials else ()


def nodes_of(request: RequestRecord, *roles: str) -> tuple[str, ...]:
    """The nodes of these roles in the request's trail, outermost first."""
    return _nodes_of(request.trail, roles)


def hops_of(request: RequestRecord) -> tuple[Hop, ...]:
    """The hops of the request's trail."""
    return _hops_of(request.trail)


@lru_cache(maxsize=REMEMBERED)  # each check asks again
def _by_use(text: str) -> Mapping[str, tuple[Credential, ...]]:
    every = parse(text)
    return {use: tuple(each for each in every if each.use == use) for use in USES}


@lru_cache(maxsize=REMEMBERED)
def _bearer_tokens(text: str, uses: tuple[Use, ...]) -> tuple[Credential, ...]:
    every = (each for use in uses for each in _by_use(text)[use])
    return tuple(each for each in every if each.audience and each.key_id and each.to_s is not None)


@lru_cache(maxsize=REMEMBERED)  # trails name no request
def _hops_of(text: str) -> tuple[Hop, ...]:
    return trail.parse(text)


@lru_cache(maxsize=REMEMBERED)
def _nodes_of(text: str, roles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(hop.node for hop in _hops_of(text) if NodeName.parse(hop.node).role in roles)


@lru_cache(maxsize=REMEMBERED)
def _tells_version(text: str) -> bool:
    return any(hop.version for hop in _hops_of(text))


def _alike(requests: Iterable[RequestRecord]) -> tuple[Sequence[RequestRecord], ...]:
    found: defaultdict[tuple[str, ...], list[RequestRecord]] = defaultdict(list)
    for request in requests:
        found[_likeness(request)].append(request)
    return tuple(found.values())


def _sessions(
    requests: Iterable[RequestRecord], alike: Iterable[Sequence[RequestRecord]]
) -> tuple[Sequence[RequestRecord], ...]:
    telling = {(each[0].cohort, each[0].region) for each in alike if _tells_version(each[0].trail)}
    found: dict[tuple[str, str], list[RequestRecord]] = {}
    for request in requests if telling else ():
        found.setdefault((request.cohort, request.region), []).append(request)
    return tuple(each for session, each in found.items() if session in telling)


def _any_within(times_s: list[float], start_s: float, end_s: float) -> bool:
    index = bisect_right(times_s, start_s)
    return index < len(times_s) and times_s[index] <= end_s


def _in_place(history: History) -> tuple[StepInPlace, ...]:
    found = []
    for name, life in lives(history.events).items():
        applied_s = life.first_s("applied")
        if applied_s is not None:
            released_s = life.first_s(*RELEASED)
            told = next((act.detail["reach"] for act in life.acts if "reach" in act.detail), None)
            reach = None if told is None else Reach.from_json(told)
            found.append(StepInPlace(name, applied_s, _ALWAYS if released_s is None else released_s, life, reach))
    return tuple(found)


def _promises(events: Iterable[Event]) -> Promises | None:
    said = next((event.detail for event in events if (event.kind, event.what) == ("look", "promises")), None)
    return None if said is None else Promises(**{name: said[name] for name in Promises._fields if name in said})


def _looks(events: Iterable[Event]) -> Iterator[StateLook]:
    withdrawn: dict[str, Withdrawal] = {}
    held: Mapping[str, Versions] = {}
    published: Mapping[str, Mapping[str, float | None]] = {}
    refused, accepted = _KeySets(), _KeySets()
    for event in events:
        if (event.kind, event.what) != ("look", "state"):
            continue
        told: Mapping[str, Any] = event.detail
        held, published = _or_same(told.get("held", {}), held), _or_same(told.get("published_keys", {}), published)
        sent, returned = told.get("sent", {}), frozenset(told.get("returned", ()))
        withdrawn = {subject: known for subject, known in withdrawn.items() if subject not in returned}
        withdrawn |= {subject: Withdrawal(name, sent) for subject, name in told.get("withdrawn", {}).items()}
        yield StateLook(
            began_s=told["began_s"],
            at_s=event.at_s,
            is_told=bool(sent),
            sent=sent,
            held=held,
            withdrawn=withdrawn,
            returned=returned,
            refused_keys=refused.of(told.get("refused_keys", {})),
            accepted_keys=accepted.of(told.get("accepted_keys", {})),
            published_keys=published,
        )


T = TypeVar("T")


def _or_same(told: T, before: T) -> T:
    """What is told, the same object as before where it is equal: as in most looks, and checks pass over what is the same."""
    return before if told == before else told


class _KeySets:
    """Key ids by node as sets, the same object while the same is told."""

    def __init__(self) -> None:
        self._told: Mapping[str, Sequence[str]] = {}
        self._sets: Mapping[str, frozenset[str]] = {}

    def of(self, told: Mapping[str, Sequence[str]]) -> Mapping[str, frozenset[str]]:
        if told != self._told:
            self._told, self._sets = told, {node: frozenset(keys) for node, keys in told.items()}
        return self._sets
