"""A kill at any moment leaves whole transactions, in their order, and nothing that was acknowledged is lost."""

from __future__ import annotations

import json
from collections.abc import Coroutine, Mapping
from typing import Any

import pytest

from brownout.identity.aws.control import journal
from brownout.identity.aws.control.account import DirectoryAccount
from brownout.identity.aws.records.principals import Group, User
from brownout.identity.core.messages import encode_json


class Disk:
    """Records of a node. Each write waits until the test lets it through, or for ever once `left` writes were done."""

    def __init__(self, left: int = 10**9, *, held: bool = False) -> None:
        self.records: dict[str, Any] = {}
        self.left = left
        self.held = held
        self.writes = 0

    def now(self) -> float:
        return 0.0

    def new_id(self) -> str:
        return "id"

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
        if self.held:
            await Stop()
        if self.left == 0:
            await Stop()
        self.left -= 1
        self.writes += 1
        if record is None:
            self.records.pop(key, None)
        else:
            self.records[key] = json.loads(encode_json(record))


class Stop:
    """What a coroutine waits for until somebody resumes it."""

    def __await__(self) -> Any:
        yield self


def resumed(work: Coroutine[Any, Any, Any]) -> bool:
    """Goes on with the work; True when it has ended."""
    try:
        work.send(None)
    except StopIteration:
        return True
    return False


def opened(disk: Any) -> DirectoryAccount:
    """The account as a new life finds it on the disk."""
    account = DirectoryAccount("123456789012", disk, {})
    for key, record in disk.records.items():
        account.take_up(key.partition(":")[2], record)
    account.start()
    return account


def user(name: str, path: str = "/") -> User:
    return User(name, "id", "arn", 0.0, path)


async def write(account: DirectoryAccount, number: int) -> int:
    """Transaction `number`: a user and a group of that number, the user before it gone, and one row that all write."""
    tx = account.begin()
    tx.put(user(f"u{number}"), Group(f"g{number}", "id", "arn", 0.0), user("last", f"/{number}/"))
    before = tx.get(User, f"u{number - 1}")
    if before is not None:
        tx.delete(before)
    return await account.commit(tx)


def check_whole(account: DirectoryAccount, at_least: int) -> int:
    """How many transactions the account has, of which none is there in part."""
    users, groups = account.durable.tables.table(User), account.durable.tables.table(Group)
    count = len(groups)
    assert count >= at_least, "what was acknowledged is there"
    assert set(groups) == {f"g{number}" for number in range(count)}
    assert set(users) == ({f"u{count - 1}", "last"} if count else set())
    assert not count or users["last"].path == f"/{count - 1}/"
    assert account.durable.version == count
    return count


@pytest.fixture(autouse=True)
def settles_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is settled after three records in place of many."""
    monkeypatch.setattr(journal, "SETTLE_AFTER", 3)


def test_a_kill_at_every_write_leaves_whole_transactions() -> None:
    """However many writes reach the disk, what is found is a number of whole transactions, and all that were answered."""
    for left in range(60):
        disk = Disk(left)
        account, answered = opened(disk), 0
        while resumed(write(account, answered)):
            answered += 1
            if not resumed(account.settle()):
                break
        check_whole(opened(disk), answered)


def test_a_life_goes_on_where_the_last_one_ended() -> None:
    """After every kill the next life writes on, and versions never go back."""
    for left in range(1, 30):
        disk = Disk(left)
        account, answered = opened(disk), 0
        while resumed(write(account, answered)):
            answered += 1
            if not resumed(account.settle()):
                break
        disk.left = 10**9
        account = opened(disk)
        found = check_whole(account, answered)
        for number in range(found, found + 8):
            assert resumed(write(account, number))
            assert resumed(account.settle())
        assert check_whole(opened(disk), found + 8) == found + 8


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1)])
@pytest.mark.parametrize("reached", [0, 1, 2, 3])
def test_writes_under_way_may_end_in_any_order(order: tuple[int, ...], reached: int) -> None:
    """Three transactions are on their way at once: whichever writes reach the disk, the account is whole."""
    disk = Disk(held=True)
    account = opened(disk)
    works = [write(account, number) for number in range(3)]
    for work in works:
        assert not resumed(work)
    assert account.durable.version == 0, "what is on its way is not shown"
    disk.held = False
    answered = 0
    for number in order[:reached]:
        assert resumed(works[number])
        answered = max(answered, number + 1)
        assert account.durable.version == answered
    assert check_whole(opened(disk), answered) == answered
    for work in works:
        work.close()


def test_a_late_write_brings_nothing_back() -> None:
    """A journal record whose write ends after its successors were settled does not undo them."""
    disk = Disk(held=True)
    account = opened(disk)
    late = write(account, 0)
    assert not resumed(late)
    disk.held = False
    for number in range(1, 12):
        assert resumed(write(account, number))
        assert resumed(account.settle())
    assert resumed(late)
    check_whole(opened(disk), 12)


def test_a_write_that_fails_is_repeated_with_the_next() -> None:
    """An error of the disk is the caller's to see; the changes are durable with the next transaction."""

    class Broken(Disk):
        fails = True

        async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
            if self.fails:
                raise OSError("the disk is full")
            await super().persist(key, record)

    disk = Broken()
    account = opened(disk)
    with pytest.raises(OSError, match="full"):
        resumed(write(account, 0))
    assert account.durable.version == 0
    disk.fails = False
    assert resumed(write(account, 1))
    assert check_whole(opened(disk), 2) == 2


def test_the_disk_does_not_grow_with_the_number_of_writes() -> None:
    """Settled journal records are dropped: what is on the disk is the rows and a few records more."""
    disk = Disk()
    account = opened(disk)
    for number in range(200):
        assert resumed(write(account, number))
        assert resumed(account.settle())
    rows = sum(key.startswith("aws:row:") for key in disk.records)
    assert rows <= 203
    assert sum(key.startswith("aws:journal:") for key in disk.records) <= 5


def test_a_transaction_without_changes_has_no_version() -> None:
    """Nothing is written for it."""
    disk = Disk()
    account = opened(disk)
    assert resumed(account.commit(account.begin()))
    assert (disk.writes, account.durable.version) == (0, 0)
