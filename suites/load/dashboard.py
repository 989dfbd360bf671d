"""What is added to Locust's web UI: a strip under its charts, the page `/faults`, both fed by `/faults/data`, and `/metrics`.

Locust's page is rendered by its own scripts, so the strip is one script tag in that page's answer; nothing of Locust's
is replaced, and nothing comes from outside of this process.
"""

from __future__ import annotations

import hmac
import time
from pathlib import Path

from flask import Blueprint, Flask, Response, request
from pydantic import ValidationError

from brownout.harness.errors import UsageError
from brownout.harness.load.dashboard_stats import SHOWN_S
from brownout.harness.load.dashboard_view import view
from brownout.harness.load.fault_spans import FaultSpans, read_fault_spans, write_fault_spans
from brownout.harness.telemetry.board_metrics import board_snapshot
from brownout.harness.telemetry.prometheus import exposition
from brownout.harness.telemetry.web_guard import guarded
from brownout.suites.load.parts import Collector

WEB = Path(__file__).with_name("web")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
TAG = b'<script type="module" src="./faults/strip.js"></script>'
MOST_BYTES = 1 << 18
DEFAULT_SHOWN_S = 600


def install(app: Flask, collector: Collector, *, token: str) -> None:
    """Adds the strip and the page, and keeps other sites out of all pages.

    A request with the bearer `token` may replace the faults; with "" no request may.
    """
    app.register_blueprint(_pages(collector, token))
    app.register_blueprint(_metrics(collector))
    app.after_request(_with_strip)
    app.wsgi_app = guarded(app.wsgi_app)  # type: ignore[assignment, method-assign]  # as Flask's documentation does


def _with_strip(answer: Response) -> Response:
    if request.endpoint == "locust.index" and answer.status_code == 200:
        answer.set_data(answer.get_data().replace(b"</body>", TAG + b"</body>"))
    return answer


def _pages(collector: Collector, token: str) -> Blueprint:
    pages = Blueprint("faults", __name__)

    @pages.get("/faults")
    def page() -> Response:
        return _file("page.html")

    @pages.get("/faults/<name>")
    def file(name: str) -> Response:
        return _file(name)

    @pages.get("/faults/data")
    def data() -> Response:
        shown_s = request.args.get("shown", DEFAULT_SHOWN_S, type=int)
        if shown_s not in SHOWN_S:
            return _plain(400, f"shown is one of {', '.join(map(str, SHOWN_S))}")
        shown = view(collector.board, read_fault_spans(collector.folder), shown_s=shown_s, problems=collector.problems())
        return Response(shown.to_json(), mimetype="application/json", headers={"cache-control": "no-store"})

    @pages.put("/faults/bands")
    def bands() -> Response:
        given = request.headers.get("authorization", "")
        if not token or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return _plain(401, "this needs the token that the load was started with")
        if (request.content_length or MOST_BYTES + 1) > MOST_BYTES:
            return _plain(413, "too long")
        try:
            write_fault_spans(collector.folder, FaultSpans.model_validate_json(request.get_data()))
        except ValidationError as wrong:
            return _plain(400, f"not a document of brownout/bands/v1: {wrong.error_count()} errors")
        return Response(status=204)

    return pages


def _metrics(collector: Collector) -> Blueprint:
    pages, started_s = Blueprint("metrics", __name__), time.time()

    @pages.get("/metrics")
    def metrics() -> Response:
        shown = board_snapshot(collector.board, read_fault_spans(collector.folder), started_s=started_s)
        try:
            body, content_type = exposition(shown, request.headers.get("accept", ""))
        except UsageError as lacking:
            return _plain(501, f"{lacking.message}; {lacking.hint}")
        return Response(body, content_type=content_type, headers={"cache-control": "no-store"})

    return pages


def _file(name: str) -> Response:
    path = WEB / name
    if path.parent != WEB or path.suffix not in TYPES or not path.is_file():
        return _plain(404, "there is no such page")
    return Response(path.read_bytes(), mimetype=TYPES[path.suffix], headers={"cache-control": "no-store"})


def _plain(status: int, text: str) -> Response:
    return Response(f"{text}\n", status=status, mimetype="text/plain")
