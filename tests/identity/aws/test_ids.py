"""Ids and secrets have the form that clients know, and hold their account."""

from __future__ import annotations

import hashlib
import re

import pytest

from brownout.identity.aws import ids


def test_a_published_access_key_id_tells_its_account() -> None:
    """The account of a known key of the real service is found in its id."""
    assert ids.account_of("ASIAY34FZKBOKMUTVV7A") == "609629065308"


@pytest.mark.parametrize("account", ["123456789012", "000000000001", "999999999999"])
def test_an_access_key_id_holds_its_account(account: str) -> None:
    """What is made for an account is an id of twenty characters that names the account."""
    for number in range(50):
        made = ids.access_key_id(ids.ACCESS_KEY, account, f"chance {number}")
        assert re.fullmatch(r"AKIA[Q-Z2-7][A-Z2-7]{15}", made)
        assert ids.account_of(made) == account


@pytest.mark.parametrize("text", ["", "AKIA", "AKIA" + "1" * 16, "AKIA" + "A" * 17])
def test_what_is_no_access_key_id_is_refused(text: str) -> None:
    """An id of another length or alphabet has no account."""
    with pytest.raises(ValueError, match=r"."):
        ids.account_of(text)


def test_ids_depend_on_prefix_and_chance() -> None:
    """Two chances, or two kinds, give two ids of 21 characters; the same give the same."""
    first = ids.unique_id(ids.USER, "one")
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", first)
    assert first == ids.unique_id(ids.USER, "one")
    assert first[4:] != ids.unique_id(ids.ROLE, "one")[4:]
    assert first != ids.unique_id(ids.USER, "two")


def test_a_secret_has_forty_characters() -> None:
    """A secret access key has the real one's length and alphabet, and another chance gives another."""
    secret = ids.secret_access_key("a", "b")
    assert re.fullmatch(r"[A-Za-z0-9/+]{40}", secret)
    assert secret != ids.secret_access_key("ab")


@pytest.mark.parametrize("account", ["123456789012", "000000000001", "999999999999"])
def test_a_sessions_keys_come_from_one_chance(account: str) -> None:
    """The id holds the account, the secret has a secret's form; each chance gives others, and none of them is used twice."""
    chances = [hashlib.sha512(f"chance {number}".encode()).digest() for number in range(50)]
    made = [ids.session_keys(account, chance) for chance in chances]
    assert made[0] == ids.session_keys(account, chances[0])
    for key_id, secret, nonce in made:
        assert re.fullmatch(r"ASIA[Q-Z2-7][A-Z2-7]{15}", key_id)
        assert ids.account_of(key_id) == account
        assert re.fullmatch(r"[A-Za-z0-9/+]{40}", secret)
        assert len(nonce) == 12
    assert all(len(set(parts)) == 50 for parts in zip(*made, strict=True))


def test_an_account_id_has_twelve_digits() -> None:
    """Every seed gives an account id that begins with another digit than 0."""
    assert all(re.fullmatch(r"[1-9][0-9]{11}", ids.account_id(seed)) for seed in range(200))
