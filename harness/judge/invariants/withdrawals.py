"""Invariants of what was withdrawn: identities, access keys, store keys, signing keys. No node that knows may honour it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache

from brownout.harness.judge.invariants.facts import REMEMBERED, Facts, StateLook, credentials, hops_of, nodes_of
from brownout.harness.judge.invariants.invariant import Invariant, Occasions
from brownout.harness.record.credentials import Credential, parse
from brownout.harness.record.history import RequestRecord
from brownout.identity.core.topology import MANAGEMENT, TOKEN, VAULT, NodeName

IDENTITIES, KEYS = ("identity", "role", "user"), ("access-key",)


def _no_token(facts: Facts, seen: Occasions) -> None:
    """Who was meant by a refused request: the role that it named, or whom the machine's earlier tokens were for."""
    withdrawn, last = facts.ever_withdrawn(), dict[tuple[str, str], AbstractSet[str]]()
    for request in facts.requests if withdrawn else ():
        meant: AbstractSet[str] = _given_to(request.credentials)
        asker = (request.machine, request.operation)
        if request.machine and meant:
            last[asker] = meant
        elif not meant:
            meant = {min(last[asker])} if asker in last else set[str]()
            meant |= set(_named(facts, request))
        if meant.isdisjoint(withdrawn):
            continue
        for subject in sorted(meant & _withdrawn_at(facts, request)):
            nodes = nodes_of(request, TOKEN) or _token_nodes(facts, request)
            if facts.withdrawn(request, subject, nodes):
                seen.judge(request, _issued_since(facts, request, subject))


@lru_cache(maxsize=REMEMBERED)
def _given_to(text: str) -> frozenset[str]:
    """How those may be named in a look whom these credentials were given to."""
    return frozenset(subject for each in parse(text) if each.use == "given" for subject in _subjects(each))


def _withdrawn_at(facts: Facts, request: RequestRecord) -> AbstractSet[str]:
    """All that was withdrawn when the request was made, as far as a look tells."""
    stretch = facts.calm(request)
    return stretch[0].withdrawn.keys() if stretch else frozenset()


def _subjects(credential: Credential) -> Iterator[str]:
    """How a credential's subject may be named in a look."""
    if credential.subject:
        yield from (f"{kind}:{credential.subject}" for kind in IDENTITIES)


def _named(facts: Facts, request: RequestRecord) -> Iterator[str]:
    """Withdrawn roles that the request asked for by name."""
    wanted = {each.name.rpartition("/")[2] for each in credentials(request, "wanted") if each.name}
    stretch = facts.calm(request) if wanted else None
    if stretch is None:
        return
    for subject, found in stretch[0].withdrawn.items():
        if subject.startswith("role:") and found.name.rpartition("/")[2] in wanted:
            yield subject


def _token_nodes(facts: Facts, request: RequestRecord) -> tuple[str, ...]:
    """The region's token nodes, one of which a request that shows none would have needed."""
    stretch = facts.calm(request)
    assert stretch is not None, "only asked for requests in a calm stretch"
    names = [node for node in stretch[0].held if NodeName.parse(node).role == TOKEN]
    return tuple(node for node in names if NodeName.parse(node).region == request.region)


def _issued_since(facts: Facts, request: RequestRecord, subject: str) -> str:
    """What was issued for the subject after all its nodes knew: an older token may be handed out from a cache until its end."""
    stretch = facts.calm(request)
    assert stretch is not None, "only asked for requests in a calm stretch"
    nodes = nodes_of(request, TOKEN)
    for each in credentials(request, "given"):
        is_new = bool(nodes) if each.from_s is None else each.from_s > stretch[0].at_s
        if subject in _subjects(each) and is_new:
            return f"{', '.join(nodes) or 'its host'} gave new credentials for {subject}, which was deleted"
    return ""


def _not_let_in(facts: Facts, seen: Occasions) -> None:
    withdrawn = facts.ever_withdrawn()
    for request, shown in _shown(facts, lambda one: not withdrawn.isdisjoint(_subjects(one))):
        for subject in _subjects(shown):
            nodes = nodes_of(request, VAULT, MANAGEMENT)
            if facts.withdrawn(request, subject, nodes):
                let_in = request.outcome == "happened"
                seen.judge(request, f"{', '.join(nodes)} let {subject} in, which was deleted" if let_in else "")


def _access_keys(facts: Facts, seen: Occasions) -> None:
    withdrawn = facts.ever_withdrawn()
    for request, shown in _shown(facts, lambda one: f"access-key:{one.key_id}" in withdrawn):
        nodes = nodes_of(request, TOKEN, MANAGEMENT, VAULT)
        if facts.withdrawn(request, f"access-key:{shown.key_id}", nodes):
            let_in = request.outcome == "happened"
            seen.judge(request, f"{', '.join(nodes)} took access key {shown.key_id}, which was revoked" if let_in else "")


def _shown(facts: Facts, is_concerned: Callable[[Credential], bool]) -> Iterator[tuple[RequestRecord, Credential]]:
    for alike in facts.alike:
        concerned = [shown for shown in credentials(alike[0], "shown") if is_concerned(shown)]
        yield from ((request, shown) for request in alike for shown in concerned)


def _store_keys(facts: Facts, seen: Occasions) -> None:
    """A store names the key in its hop only when it accepts it; the node that asked it names the key in any case."""
    ever_refused = {key for look in facts.looks for keys in look.refused_keys.values() for key in keys}
    for alike in facts.alike:
        hops = hops_of(alike[0])
        used = {hop.key_id for hop in hops} & ever_refused
        for request in alike if used else ():
            stretch = facts.calm(request)
            refused = _refused_by(*stretch) if stretch else {}
            for key in sorted(used & refused.keys()):
                accepted = [hop.node for hop in hops if hop.key_id == key and hop.node == refused[key]]
                seen.judge(
                    request, f"{accepted[0]} served a request that was signed with {key}, which it refuses" if accepted else ""
                )


def _refused_by(before: StateLook, after: StateLook) -> dict[str, str]:
    """The keys that are refused throughout, each with its store: a key's id names its region."""
    return {
        key: store for store, keys in before.refused_keys.items() for key in keys & after.refused_keys.get(store, frozenset())
    }


def _signing_keys(facts: Facts, seen: Occasions) -> None:
    vaults = [keys for look in facts.looks for keys in look.accepted_keys.values() if keys]
    everywhere = frozenset[str]().union(*vaults).intersection(*vaults)
    for request, shown in _shown(facts, lambda one: bool(one.audience and one.key_id) and one.key_id not in everywhere):
        stretch = facts.calm(request)
        if stretch is None:
            continue
        for node in nodes_of(request, VAULT):
            known = [look.accepted_keys.get(node) for look in stretch]
            if all(keys and shown.key_id not in keys for keys in known):
                let_in = request.outcome == "happened"
                seen.judge(request, f"{node} took a token signed with {shown.key_id}, which was withdrawn" if let_in else "")


INVARIANTS = (
    Invariant(
        "no-token-for-a-deleted-identity",
        "Who was deleted gets no new token or credentials from a node that has heard of it.",
        "identities and roles of answers, looks at deletions and versions; counted: a request for one that was deleted",
        _no_token,
    ),
    Invariant(
        "a-deleted-identity-is-not-let-in",
        "Who was deleted is not let in by a node that has heard of it, whatever it shows.",
        "identities of what was shown, looks at deletions and versions; counted: a request by one that was deleted",
        _not_let_in,
    ),
    Invariant(
        "no-revoked-access-key",
        "An access key that was revoked, deleted or made inactive opens nothing at a node that has heard of it.",
        "access keys that were shown, looks at keys and versions; counted: a request with such a key",
        _access_keys,
    ),
    Invariant(
        "no-revoked-store-key",
        "A store serves no request that is signed with a key which it refuses.",
        "store keys in trails, looks at key rings; counted: a request for which such a key was used",
        _store_keys,
    ),
    Invariant(
        "no-withdrawn-signing-key",
        "A token that was signed with a withdrawn key opens nothing where the key is known to be gone.",
        "signing keys of tokens that were shown, looks at key sets; counted: a request with such a token",
        _signing_keys,
    ),
)
