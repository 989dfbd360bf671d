"""For each invariant a history that exercises it, and its control: one that differs in one thing and violates it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from brownout.harness.record.credentials import Credential
from brownout.harness.record.history import Event, History, RequestRecord
from support.invariant_histories import (
    ACCOUNT,
    AUDIENCE,
    KNOWN_AT,
    ROLE,
    STORE,
    TOKEN,
    VAULT,
    asked,
    call,
    cut_short,
    look,
    of,
    promises,
    starved,
    token,
    withdrawn,
)
from support.slo_builders import T0, act

LATER = KNOWN_AT + 500
RARE = frozenset(f"a-{n}/2" for n in range(10))  # second attempts that ten of twenty arrivals did without
ASSUMED = Credential("given", "AROA1", ROLE, ACCOUNT)
KEY = Credential("shown", key_id="AKIA1")


class Pair(NamedTuple):
    """`held` exercises an invariant, `violated` is its control."""

    held: History
    violated: History


def _deleted_identity() -> Pair:
    looks, before = withdrawn("identity:oid-1"), asked(10, True, token(), trail=TOKEN)
    return Pair(
        of(looks, before, asked(LATER, False, trail=TOKEN)),
        of(looks, before, asked(LATER, True, token(from_s=T0 + LATER - 1), trail=TOKEN)),
    )


def _not_let_in() -> Pair:
    looks, shown = withdrawn("identity:oid-1"), token("shown")
    return Pair(of(looks, asked(LATER, False, shown)), of(looks, asked(LATER, True, shown)))


def _access_key() -> Pair:
    looks = withdrawn("access-key:AKIA1")
    return Pair(of(looks, asked(LATER, False, KEY, trail=TOKEN)), of(looks, asked(LATER, True, KEY, trail=TOKEN)))


def _store_key() -> Pair:
    looks = [promises(), look(0, refused_keys={STORE: ["old"]}), look(4000, refused_keys={STORE: ["old"]})]
    refused, served = f"{TOKEN};1.0;old;manual;miss>{STORE};;;;", f"{TOKEN};1.0;old;manual;miss>{STORE};;old;manual;"
    return Pair(of(looks, asked(LATER, False, trail=refused)), of(looks, asked(LATER, True, trail=served)))


def _signing_key() -> Pair:
    looks, shown = [promises(), look(0), look(4000)], token("shown", key_id="k0")
    return Pair(of(looks, asked(LATER, False, shown)), of(looks, asked(LATER, True, shown)))


def _lost_key() -> Pair:
    shown, without = token("shown"), {VAULT: ["k2"]}
    return Pair(
        of([promises(), look(0), look(4000)], asked(LATER, True, shown)),
        of(
            [promises(), look(0), look(KNOWN_AT, accepted_keys=without), look(4000, accepted_keys=without)],
            asked(LATER, False, shown, status=401),
        ),
    )


def _published_first() -> Pair:
    rolled = {TOKEN: {"k1": None, "k2": T0 + 100}}
    looks = [promises(), look(0), look(KNOWN_AT, published_keys=rolled), look(4000, published_keys=rolled)]
    return Pair(
        of(looks, asked(LATER, True, token(key_id="k2", from_s=T0 + 400), trail=TOKEN)),
        of(looks, asked(LATER, True, token(key_id="k2", from_s=T0 + 398), trail=TOKEN)),
    )


def _stay_published() -> Pair:
    looks, given = [look(0), look(KNOWN_AT)], asked(10, True, token(), trail=TOKEN)
    return Pair(of([*looks, look(4000)], given), of([*looks, look(4000, published_keys={TOKEN: {"k2": None}})], given))


def _own_changes() -> Pair:
    change = call(100, 7, "+8")
    return Pair(of([promises()], change, call(101, 7, "8")), of([promises()], change, call(101, 7, "7")))


def _audience() -> Pair:
    wanted = Credential("wanted", audience=f"{AUDIENCE}/")
    other = token(audience="https://storage.azure.com")
    return Pair(of([], asked(10, True, wanted, token())), of([], asked(10, False, wanted, other)))


def _tenant() -> Pair:
    return Pair(
        of([promises()], asked(10, True, token()), asked(20, False, token("shown", owner="theirs"))),
        of([promises()], asked(20, True, token("shown", owner="theirs"))),
    )


def _identity() -> Pair:
    return Pair(of([], asked(10, True, token())), of([], asked(10, True, token(), machine="vm2")))


def _expired() -> Pair:
    shown = token("shown", to_s=T0 + 100)
    return Pair(of([], asked(500, False, shown)), of([], asked(500, True, shown)))


def _in_force() -> Pair:
    return Pair(of([], asked(10, True, token())), of([], asked(500, False, token(to_s=T0 + 100))))


def _never_back() -> Pair:
    looks = [look(0, 5), look(500, 5, held={VAULT: 0}), look(1000, 6)]
    return Pair(of(looks), of([*looks, look(1500, 6, held={VAULT: 5})]))


def _arrives() -> Pair:
    looks = [promises(), look(0, 1), look(1000, 2, held={VAULT: 1})]
    return Pair(of([*looks, look(3000, 2)]), of([*looks, look(3000, 2, held={VAULT: 1})]))


def _stays() -> Pair:
    looks = withdrawn("identity:oid-1")
    return Pair(of(looks), of([*looks, look(5000, 3, returned=["identity:oid-1"])]))


def _stable() -> Pair:
    before = asked(500, True, token("shown"))
    return Pair(of(starved(), before, asked(2000, True)), of(starved(), before, asked(2000, False)))


def _lasts() -> Pair:
    change = call(100, 7, "+8")
    looks = [promises(), look(0, 7)]
    return Pair(of([*looks, look(4000, 8)], change), of([*looks, look(4000, 7)], change))


def _closed() -> Pair:
    other = asked(500, True, token("shown"))
    return Pair(
        of(starved(), other, asked(2000, True, token("shown"))),
        of(starved(), other, asked(2000, True, token("shown", key_id=""))),
    )


def _comes_back() -> Pair:
    before, after = asked(500, True), [5000 + 10 * n for n in range(5)]
    return Pair(
        of(cut_short(), before, *(asked(at_s, at_s == 5040) for at_s in after)),
        of(cut_short(), before, *(asked(at_s, False) for at_s in after)),
    )


def _in_a_row(start_s: float, bad: int) -> list[RequestRecord]:
    """Fifty requests of one kind, so many of them without service."""
    return [asked(start_s + n, n >= bad, status=503 if n < bad else 200) for n in range(50)]


def _served() -> Pair:
    return Pair(of([promises()], *_in_a_row(0, bad=5)), of([promises()], *_in_a_row(0, bad=6)))


def _retries() -> Pair:
    arrivals = [asked(5000 + n, True, id=f"a-{n}") for n in range(20)]
    attempts = [asked(5000 + n, True, id=f"a-{n}/{number}") for n in range(20) for number in (1, 2)]
    once = of(cut_short(), *arrivals)
    return Pair(
        dataclasses.replace(once, attempts=tuple(one for one in attempts if one.id not in RARE)),
        dataclasses.replace(once, attempts=tuple(attempts)),
    )


def _herd() -> Pair:
    normal = [asked(10 * n, trail=TOKEN) for n in range(18)]  # six a minute
    after = [asked(5000 + n, trail=TOKEN) for n in range(38)]
    late = asked(5038.5, trail=TOKEN)
    return Pair(of(cut_short(), *normal, *after), of(cut_short(), *normal, *after, late))


def skewed(by_s: float) -> list[Event]:
    """A clock that is wrong by so much from 1500 s to 3000 s, between two looks."""
    known = {"fault": "clock-skew", "role": "fault"}
    return [
        promises(),
        act(1500, "planned", "skew", reach={"nodes": [VAULT]}, params={"by": by_s}, **known),
        act(1500, "applied", "skew", **known),
        look(1600),
        look(2900),
        act(3000, "reverted", "skew", **known),
    ]


def _skew() -> Pair:
    shown = token("shown", to_s=T0 + 2200)
    return Pair(of(skewed(300), asked(2000, True, shown)), of(skewed(300), asked(2000, False, shown, status=401)))


def _monotonic() -> Pair:
    return Pair(of([], call(100, 8), call(101, 8)), of([], call(100, 8), call(101, 7)))


def _mixed_builds() -> Pair:
    wanted, other = Credential("wanted", audience=AUDIENCE), token(audience="https://storage.azure.com")
    both = [asked(10, trail=f"{TOKEN};1.0;;;"), asked(20, trail="melbourne.token.z1;2.0;;;")]
    return Pair(of([], *both, asked(30, True, wanted, token())), of([], *both, asked(30, True, wanted, other)))


CONTROLS: Mapping[str, Pair] = {
    "no-token-for-a-deleted-identity": _deleted_identity(),
    "a-deleted-identity-is-not-let-in": _not_let_in(),
    "no-revoked-access-key": _access_key(),
    "no-revoked-store-key": _store_key(),
    "no-withdrawn-signing-key": _signing_key(),
    "no-refusal-for-a-lost-key": _lost_key(),
    "new-keys-are-published-first": _published_first(),
    "old-keys-stay-published": _stay_published(),
    "read-your-writes": _own_changes(),
    "audience-isolation": _audience(),
    "tenant-isolation": _tenant(),
    "identity-isolation": _identity(),
    "no-expired-credentials": _expired(),
    "given-credentials-are-in-force": _in_force(),
    "replicas-never-go-back": _never_back(),
    "changes-arrive": _arrives(),
    "deletions-stay": _stays(),
    "acknowledged-changes-last": _lasts(),
    "nothing-opens-without-proof": _closed(),
    "static-stability": _stable(),
    "service-comes-back": _comes_back(),
    "served-where-nothing-is-broken": _served(),
    "retries-settle": _retries(),
    "no-herd-stays": _herd(),
    "small-skew-is-harmless": _skew(),
    "monotonic-reads": _monotonic(),
    "mixed-builds-keep-every-promise": _mixed_builds(),
}
