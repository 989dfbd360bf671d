"""A headless Chromium driven over its debugging pipe: no port, no library, and nothing left when the block ends."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REQUIRE = "BROWNOUT_REQUIRE_BROWSER"
ANSWER_TIMEOUT_S = 30.0
LOOK_S = 0.2
# The browser reads its orders from 3 and answers on 4.
_ON_3_AND_4 = """
import os, sys
orders, answers = (os.dup(os.dup(os.dup(int(number)))) for number in sys.argv[1:3])
os.dup2(orders, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser() -> str:
    """The path of a browser, "" when there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), "")


def browser_or_skip() -> str:
    """The path of a browser; without one the test is skipped, or fails where one is required."""
    found = find_browser()
    if not found and os.environ.get(REQUIRE) == "1":
        pytest.fail(f"no Chromium is on PATH and {REQUIRE}=1")
    if not found:
        pytest.skip("no Chromium is on PATH")
    return found


class Browser:
    """One page of a running browser."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._number = 0
        self._session = ""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")

    def show(self, *, width: int, height: int = 900, scheme: Literal["light", "dark"] = "light") -> None:
        """Sets the window's size and the colours that the user prefers."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        self._ask("Page.navigate", url=url)

    def enter(self, text: str) -> None:
        """Types into the element that has the focus."""
        self._ask("Input.insertText", text=text)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, *, within_s: float) -> Any:
        """The expression's first value that is true; fails with the page's text when there is none in time."""
        deadline_s = time.monotonic() + within_s
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < deadline_s, f"{expression} stayed {value!r}:\n{self.evaluate('document.body.innerText')}"
            time.sleep(LOOK_S)
        return value

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Writes a PNG of the window, or of the whole page."""
        answer = self._ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            answer = self._read(deadline_s, method)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _read(self, deadline_s: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline_s - time.monotonic()))
            chunk = os.read(self._from, 1 << 20) if ready else b""
            assert chunk, f"the browser did not answer {method}"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    """A browser with a profile of its own; its processes and its profile are gone afterwards."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        flags = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --remote-debugging-pipe"
        wanted = [program, *flags.split(), f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            [sys.executable, "-c", _ON_3_AND_4, str(theirs_in), str(theirs_out), *wanted],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            yield Browser(ours_out, ours_in)
        finally:
            os.close(ours_out)
            os.close(ours_in)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
