"""The stack's clock for botocore, which signs by the machine's clock and judges by it when credentials end.

A stack's time may be of another day or faster, so a real client of AWS would be refused for its clock before anything else.
What is patched is botocore's reading of the clock and nothing of what it does with the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from types import FunctionType
from typing import Any
from unittest import mock

READERS = ("botocore.auth", "botocore.endpoint", "botocore.signers", "botocore.utils")  # each has the function by its own name


@contextmanager
def botocore_clock(now_s: Callable[[], float]) -> Iterator[None]:
    """While it is open, botocore in this process takes `now_s()` (epoch seconds) for the time."""
    from botocore import credentials

    def utc_now(remove_tzinfo: bool = True) -> datetime:
        moment = datetime.fromtimestamp(now_s(), UTC)
        return moment.replace(tzinfo=None) if remove_tzinfo else moment

    def local_now() -> datetime:
        return utc_now(remove_tzinfo=False)

    kept = credentials._local_now  # noqa: SLF001 - the one function that all of its credentials tell the time by
    with ExitStack() as patches:
        for module in READERS:
            patches.enter_context(mock.patch(f"{module}.get_current_datetime", utc_now))
        patches.enter_context(mock.patch.object(credentials, "_local_now", local_now))
        for function in _constructors(credentials):
            defaults = tuple(local_now if value is kept else value for value in function.__defaults__ or ())
            patches.enter_context(mock.patch.object(function, "__defaults__", defaults))
        yield


def _constructors(credentials: Any) -> Iterator[FunctionType]:
    """Those of the module's classes that have a clock as a default argument, bound when botocore was imported."""
    for kind in (credentials.RefreshableCredentials, credentials.DeferredRefreshableCredentials):
        yield kind.__init__
