"""The base of the account's records, and a JSON form that is made only when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from brownout.identity.formed import FormedRecord

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class AccountRecord(FormedRecord):
    """A record of the account. `table_key` is what it stands under in its table; `KIND` names the table on the disk."""

    KIND: ClassVar[str] = ""

    @property
    def table_key(self) -> str:
        """What the record stands under among those of its kind."""
        raise NotImplementedError


class JsonForm(Mapping[str, Any], Generic[V]):
    """The JSON form of `value`, made by `make` when it is first looked into.

    Inside one process it is never read: the receiver takes the value, so nothing is encoded and nothing copied.
    """

    def __init__(self, value: V, make: Callable[[V], Mapping[str, Any]]) -> None:
        self.value = value
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, Any]:
        return self._make(self.value)

    def __getitem__(self, name: str) -> Any:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __bool__(self) -> bool:
        return True  # what has a form has something in it, and to be asked is no reason to make it
