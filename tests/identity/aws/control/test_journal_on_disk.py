"""The account on a real disk: many transactions at once through the node's own store, and what a kill in their midst leaves."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brownout.identity.aws.control.account import DirectoryAccount
from brownout.identity.aws.records.principals import Group, User
from brownout.identity.server.durable import DurableRecords


class DiskPorts:
    """What the account needs of its node, over the records of a real file."""

    def __init__(self, path: Path) -> None:
        self.records = DurableRecords(path)
        self.made = 0

    def now(self) -> float:
        return 0.0

    def new_id(self) -> str:
        self.made += 1
        return str(self.made)

    async def persist(self, key: str, record: Mapping[str, Any] | None) -> None:
        await self.records.write(key, record)


def opened(path: Path) -> tuple[DirectoryAccount, DiskPorts]:
    ports: Any = DiskPorts(path)
    account = DirectoryAccount("123456789012", ports, {})
    for key, record in ports.records.read_all().items():
        account.take_up(key.partition(":")[2], record)
    account.start()
    return account, ports


async def write(account: DirectoryAccount, number: int) -> int:
    """A user and a group of that number, in one transaction."""
    tx = account.begin()
    tx.put(User(f"u{number}", "id", "arn", 0.0), Group(f"g{number}", "id", "arn", 0.0))
    await account.commit(tx)
    return number


def found(account: DirectoryAccount) -> set[int]:
    """Numbers of the transactions that are there, whole."""
    users, groups = account.durable.tables.table(User), account.durable.tables.table(Group)
    assert {key[1:] for key in users} == {key[1:] for key in groups}
    return {int(key[1:]) for key in users}


def copied(path: Path, name: str) -> Path:
    """The node's file with its log, as they are now, in a folder of that name."""
    folder = path.parent / name
    folder.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, folder / file.name)
    return folder / path.name


def test_a_copy_of_the_disk_at_any_moment_is_whole(tmp_path: Path) -> None:
    """Eighty transactions are written at once; copies of the files taken meanwhile have all that was answered by then."""
    path = tmp_path / "node.db"

    async def story() -> list[tuple[Path, set[int]]]:
        account, ports = opened(path)
        works = [asyncio.ensure_future(write(account, number)) for number in range(80)]
        answered, copies = set[int](), list[tuple[Path, set[int]]]()
        for done, work in enumerate(asyncio.as_completed(works)):
            answered.add(await work)
            if done % 20 == 10:
                await account.settle()
                known = set(answered)
                copies.append((copied(path, f"copy-{done}"), known))
        ports.records.close()
        return [*copies, (path, answered)]

    for copy, answered in asyncio.run(story()):
        account, ports = opened(copy)
        numbers = found(account)
        assert answered <= numbers
        assert numbers == set(range(len(numbers))), "what is there was accepted in this order"
        ports.records.close()
