"""Invariants of keys that sign tokens: one is published before it signs, and stays while its tokens are in force.

Theory. A key whose tokens are in force is always taken away wrongly: verifiers that hear of it refuse good tokens.
The service knows no key that was stolen and must go at once, so there is no other withdrawal. A verifier that never had a key
has not lost it: its refusals tell of a lacking overlap, not of a withdrawal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import NamedTuple

from brownout.harness.judge.invariants.facts import Facts, StateLook, bearer_tokens, nodes_of
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.judge.invariants.lifetimes import ALLOWED_S
from brownout.harness.judge.steps import clock
from brownout.harness.record.history import RequestRecord
from brownout.identity.core.topology import VAULT, NodeName

WHOLE_S = 1.0  # tokens tell whole seconds
NO_GOOD_TOKEN = 401
_ALWAYS = float("-inf")
_done_s = attrgetter("done_s")


class Signed(NamedTuple):
    """A token that the record has: its key, when it was signed, when it ends, and where it was seen."""

    key_id: str
    from_s: float
    to_s: float
    request: RequestRecord


def _not_refused(facts: Facts, seen: Occasions) -> None:
    """A verifier that has ceased to trust a key is found by the looks before and after the request."""
    first_trusted_s, taken = _first_trusted(facts), set[str]()
    for request in facts.showing:
        tokens = bearer_tokens(request, "shown")
        stretch = facts.calm(request) if tokens else None
        if stretch is None or not facts.clocks_agree(request.sent_s, request.done_s):
            continue
        for shown in tokens:
            assert shown.to_s is not None, "a bearer token has an end"
            if not (shown.from_s or _ALWAYS) <= request.sent_s <= request.done_s <= shown.to_s:
                continue
            for node in nodes_of(request, VAULT):
                if first_trusted_s.get((node, shown.key_id), request.sent_s) >= request.sent_s:
                    continue
                lacks = _lacks(node, shown.key_id, *stretch)
                refused = request.outcome == "refused" and request.status == NO_GOOD_TOKEN
                if lacks is None and refused:
                    continue  # it lost the key, or got it back, before the request or after it
                wrongly = bool(lacks) and refused
                taken |= {shown.key_id} if wrongly else set()
                seen.judge(request, f"{node} refused a token in force, whose key {shown.key_id} it lost" if wrongly else "")
    if seen.exercised:
        seen.note = f"keys that were taken away: {', '.join(sorted(taken)) or 'none'}"


def _first_trusted(facts: Facts) -> Mapping[tuple[str, str], float]:
    """The first look at which each vault trusted each key."""
    found: dict[tuple[str, str], float] = {}
    for look in facts.looks:
        for node, keys in look.accepted_keys.items():
            for key_id in keys:
                found.setdefault((node, key_id), look.at_s)
    return found


def _lacks(node: str, key_id: str, *looks: StateLook) -> bool | None:
    """Whether the node had lost the key at all of these looks; None where they differ or one does not say.

    A verifier without any key has not heard of a withdrawal: it has fetched nothing yet.
    """
    known = [look.accepted_keys.get(node) for look in looks]
    if not all(known):
        return None
    lacks = {key_id not in keys for keys in known if keys}
    return lacks.pop() if len(lacks) == 1 else None


def _published_first(facts: Facts, seen: Occasions) -> None:
    """New is a key that the region's token nodes did not publish when the run began."""
    cache_s = facts.promises.key_cache_s if facts.promises else None
    if cache_s is None or not facts.looks:
        return
    since_s = _published_since(facts)
    for (region, key_id), first in _first_signed(facts).items():
        published_s = since_s.get((region, key_id), _ALWAYS)
        if published_s == _ALWAYS or not facts.clocks_agree(published_s, first.request.done_s):
            continue
        ahead_s = first.from_s - published_s
        late = ahead_s < cache_s - WHOLE_S
        what = f"{key_id} signed {max(ahead_s, 0):.0f} s after {region} published it"
        seen.judge(first.request, f"{what}, and verifiers keep a key set for {cache_s:.0f} s" if late else "")


def _published_since(facts: Facts) -> Mapping[tuple[str, str], float]:
    """Since when each region publishes each key that is new in this run."""
    found: dict[tuple[str, str], float] = {}
    old = {(_region(node), key_id) for node, keys in facts.looks[0].published_keys.items() for key_id in keys}
    same = None
    for look in facts.looks:
        if look.published_keys is same:
            continue  # as in nearly every look
        same = look.published_keys
        for node, keys in same.items():
            for key_id, since_s in keys.items():
                where = (_region(node), key_id)
                if since_s is not None and where not in old:
                    found[where] = min(since_s, found.get(where, since_s))
    return found


def _first_signed(facts: Facts) -> Mapping[tuple[str, str], Signed]:
    """The earliest token of each key that was given in each region."""
    found: dict[tuple[str, str], Signed] = {}
    for alike in facts.alike:
        for signed in _signed(alike[0]):
            where = (alike[0].region, signed.key_id)
            if where not in found or signed.from_s < found[where].from_s:
                found[where] = signed
    return found


def _signed(request: RequestRecord) -> Iterator[Signed]:
    for each in bearer_tokens(request, "given"):
        if each.from_s is not None and each.to_s is not None:
            yield Signed(each.key_id, each.from_s, each.to_s, request)


def _stay_published(facts: Facts, seen: Occasions) -> None:
    """At each look, whether the keys of tokens that are in force are where they were published before."""
    giving = (alike for alike in facts.alike if bearer_tokens(alike[0], "given"))
    first_answered = (min(alike, key=_done_s) for alike in giving)  # the others were given the same later
    tokens = [signed for request in first_answered for signed in _signed(request)]
    tokens.sort(key=lambda one: one.request.done_s, reverse=True)
    ends_s: dict[str, float] = {}  # by key: when the last of its tokens ends
    published: dict[str, set[str]] = {}
    for look in facts.looks:
        while tokens and tokens[-1].request.done_s < look.began_s:
            signed = tokens.pop()
            ends_s[signed.key_id] = max(signed.to_s, ends_s.get(signed.key_id, _ALWAYS))
        judged = facts.clocks_agree(_ALWAYS, look.at_s)
        for node, keys in look.published_keys.items():
            before = published.setdefault(node, set())
            for key_id in sorted(before) if judged else ():
                if look.at_s < ends_s.get(key_id, _ALWAYS) + ALLOWED_S:
                    _judge_stay(seen, look, node, key_id, ends_s[key_id])
            before.update(keys)


def _judge_stay(seen: Occasions, look: StateLook, node: str, key_id: str, ends_s: float) -> None:
    if key_id in look.published_keys[node]:
        seen.held()
    else:
        what = f"{node} does not publish {key_id} at {clock(look.at_s)}"
        seen.broken(look.at_s, f"{what}, with which tokens were signed that are in force for {ends_s - look.at_s:.0f} s more")


def _region(node: str) -> str:
    return NodeName.parse(node).region


INVARIANTS = (
    Invariant(
        "no-refusal-for-a-lost-key",
        "A token in force is not refused because its signing key was taken away from the verifier.",
        "signing keys of tokens shown, looks at what verifiers trust; counted: a token in force whose verifier had its key",
        _not_refused,
    ),
    Invariant(
        "new-keys-are-published-first",
        "A new signing key signs only once it has been published for as long as verifiers keep a key set.",
        "tokens given, looks at key sets; counted: a key that is new in this run, by region where it signed",
        _published_first,
    ),
    Invariant(
        "old-keys-stay-published",
        "A signing key is published until five minutes after the last token that it signed has ended.",
        "ends of tokens given, looks at key sets; counted: a key whose tokens are in force, at each look and token node",
        _stay_published,
    ),
)
