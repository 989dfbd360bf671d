"""The end of a server's process on request, as a supervisor or an engine asks for it."""

from __future__ import annotations

import asyncio
import signal

ASKING = (signal.SIGTERM, signal.SIGINT)


class EndAsked:
    """Notices that the process is asked to end, instead of ending at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Future[signal.Signals] = self._loop.create_future()
        for each in ASKING:
            self._loop.add_signal_handler(each, self._note, each)

    def _note(self, by: signal.Signals) -> None:
        if not self._asked.done():
            self._asked.set_result(by)

    async def wait(self) -> None:
        """Returns once the process was asked."""
        await asyncio.shield(self._asked)

    def close(self) -> None:
        """Gives the signals back, and ends the process by the one that it was asked with.

        As the first process of a container it is not ended by a signal of its own, and goes on to its end.
        """
        for each in ASKING:
            self._loop.remove_signal_handler(each)
        if self._asked.done():
            signal.signal(self._asked.result(), signal.SIG_DFL)
            signal.raise_signal(self._asked.result())
