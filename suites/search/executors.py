"""Where chunks are carried out: in this process, in a pool of processes, or by Dask on many machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from brownout.harness.base.resources.worker_pool import worker_pool
from brownout.harness.errors import UsageError, WorkerLost

P = ParamSpec("P")
T = TypeVar("T")
DASK = "dask://"
GO_ON = "was it killed, for want of memory? `brownout search --resume FOLDER` goes on with what is finished"
HINT = "pip install distributed, here and on the workers, which need Brownout too"


class InThisProcess(Executor):
    """Carries out what is submitted at once, in the caller's thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def executor_of(address: str, workers: int) -> Iterator[tuple[Executor, int]]:
    """An executor and how many chunks it works on at once; raises UsageError for an address that leads nowhere.

    `address` is "" for this machine, or `dask://HOST:PORT` for the scheduler of a Dask cluster. The block's error is WorkerLost
    where a process that carried out a chunk has ended.
    """
    if address:
        with _dask(address) as found:
            yield found
    elif workers <= 1:
        yield InThisProcess(), 1
    else:
        try:
            with worker_pool(workers, start="spawn") as pool:
                yield pool, workers
        except BrokenExecutor as lost:
            raise WorkerLost("a process of the search ended abruptly", hint=GO_ON) from lost


@contextmanager
def _dask(address: str) -> Iterator[tuple[Executor, int]]:
    if not address.startswith(DASK) or not address.removeprefix(DASK):
        raise UsageError(f"{address!r} is no executor", hint="such as --executor dask://127.0.0.1:8786")
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise UsageError("--executor dask:// needs the package distributed, which is not installed", hint=HINT) from error
    place = address.removeprefix(DASK)
    try:
        client: Any = Client(f"tcp://{place}", timeout=10)
    except (OSError, ValueError) as error:
        raise UsageError(f"no scheduler of Dask answers at {place}: {error}", hint="start one with `dask scheduler`") from error
    try:
        threads = sum(client.nthreads().values())
        if not threads:
            raise UsageError(f"the scheduler at {place} has no workers", hint="start some with `dask worker`")
        yield client.get_executor(pure=False), 2 * threads
    except KilledWorker as lost:
        raise WorkerLost(f"workers at {place} ended abruptly: {lost}", hint=GO_ON) from lost
    finally:
        client.close()
