"""Session tokens: what is sealed comes back, nobody can change or make one, and which key seals."""

from __future__ import annotations

import base64

import pytest

from brownout.identity.aws.auth.sealing import UnreadableToken, newest_key, open_token, seal
from support.aws_signing import NOW_S, SEALING, KeptAccount, KeptSealingKey, account_of, ids, session_of

FULL = session_of(
    session_policies=('{"Version": "2012-10-17"}', "é"),
    policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
    tags={"Project": "Größe", "Empty": ""},
    transitive_tag_keys=("Project",),
    source_identity="alice",
    mfa_s=0.0,
    chained=True,
    facts={"aws:FederatedProvider": ("arn:aws:iam::123456789012:oidc-provider/x",)},
)


@pytest.mark.parametrize("session", [session_of(), FULL], ids=["plain", "full"])
def test_a_session_comes_back_whole(session: object) -> None:
    """Everything that was sealed is opened, in any region that has the key."""
    assert isinstance(session, type(FULL))
    assert open_token(seal(session, SEALING, ids()), account_of()) == session


def test_tokens_show_nothing_of_their_session() -> None:
    """Neither the secret nor the role can be read without the key."""
    raw = base64.b64decode(seal(FULL, SEALING, ids()))
    assert SEALING.key_id.encode() in raw
    assert not [text for text in (FULL.secret_access_key, FULL.access_key_id, "role/", "alice") if text.encode() in raw]
    assert FULL.secret_access_key not in repr(FULL)


def test_tokens_are_repeatable_and_never_the_same() -> None:
    """The nonce comes from the ports: the same in the same run, another for every token."""
    new_id = ids()
    first, second = seal(FULL, SEALING, new_id), seal(FULL, SEALING, new_id)
    assert first != second
    assert first == seal(FULL, SEALING, ids())


def test_no_byte_of_a_token_can_be_changed() -> None:
    """Every character of a token replaced by another one is refused, and so is any piece of it."""
    token, account = seal(session_of(), SEALING, ids()), account_of()
    for at, character in enumerate(token):
        for other in {"A", "B", "/", "=", "!", "é"} - {character}:
            with pytest.raises(UnreadableToken):
                open_token(token[:at] + other + token[at + 1 :], account)
    for end in range(len(token)):
        with pytest.raises(UnreadableToken):
            open_token(token[:end], account)


@pytest.mark.parametrize("text", ["", "A", "=", "AAAA", "IQ==", "IQU=", "not base64", "IQoJb3JpZ2luX2Vj", "é" * 40, "A" * 5000])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Whatever a client sends instead of a token."""
    with pytest.raises(UnreadableToken):
        open_token(text, account_of())


def test_spare_bits_of_base64_do_not_make_a_second_token() -> None:
    """Two texts that decode to the same bytes are not both tokens."""
    session = session_of(name="x" * 3)
    tokens = [seal(session._replace(name="x" * n), SEALING, ids()) for n in range(2, 5)]
    padded = [token for token in tokens if token.endswith("=")]
    assert padded
    for token in padded:
        body, pad = token.rstrip("="), token[len(token.rstrip("=")) :]
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        twin = body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + pad
        assert base64.b64decode(twin) == base64.b64decode(token)
        with pytest.raises(UnreadableToken):
            open_token(twin, account_of())


def test_another_stacks_token_is_refused() -> None:
    """A key of the same name is not enough, and neither is a token whose key's name was exchanged."""
    other = KeptSealingKey(SEALING.key_id, bytes(32), SEALING.from_s, SEALING.until_s)
    renamed = KeptSealingKey("seal-2", bytes(32), SEALING.from_s, SEALING.until_s)
    token, foreign = seal(session_of(), SEALING, ids()), seal(session_of(), other, ids())
    account = KeptAccount(sealing={SEALING.key_id: SEALING, "seal-2": renamed})
    with pytest.raises(UnreadableToken):
        open_token(foreign, account)
    raw = base64.b64decode(token)
    with pytest.raises(UnreadableToken):
        open_token(base64.b64encode(raw.replace(b"seal-1", b"seal-2", 1)).decode(), account)


def test_a_token_is_opened_for_as_long_as_its_key_is_known() -> None:
    """Long after the key's end, but not once the key is gone, though the token was opened before."""
    account, token = account_of(), seal(session_of(), SEALING, ids())
    assert open_token(token, account).name == "job-7"
    account.sealing.clear()
    with pytest.raises(UnreadableToken):
        open_token(token, account)


def test_the_key_that_ends_last_seals() -> None:
    """Of those that are valid now: one that is not yet valid or has ended does not."""
    keys = [
        KeptSealingKey("past", bytes(32), NOW_S - 9, NOW_S),
        KeptSealingKey("old", bytes(32), NOW_S - 9, NOW_S + 1),
        KeptSealingKey("new", bytes(32), NOW_S, NOW_S + 2),
        KeptSealingKey("future", bytes(32), NOW_S + 1, NOW_S + 9),
    ]
    assert newest_key(keys, NOW_S) == keys[2]
    assert newest_key(keys, NOW_S + 1.5) == keys[3]
    assert newest_key(keys[:2], NOW_S + 1) is None
    assert newest_key([], NOW_S) is None


@pytest.mark.parametrize(
    "changed", [{}, {"name": ""}, {"mfa_s": NOW_S}, {"tags": {"team": "a b"}}, {"scopes": ("{}",)}, {"chained": True}]
)
def test_a_session_is_packed_whole(changed: dict[str, object]) -> None:
    """With what every session has, which is packed without names, and with anything more."""
    session = session_of(**changed)
    assert open_token(seal(session, SEALING, ids()), account_of()) == session
    assert isinstance(session.packed(), tuple) == (not changed.keys() - {"name"})
