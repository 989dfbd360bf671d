"""A worker that assumes a role for each job. It asks the global endpoint of STS, as many a tutorial does."""

import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3

EVERY_S = 0.2
LATE_S = 2.0
sts = boto3.client("sts", endpoint_url="https://sts.amazonaws.com", region_name="us-east-1")


class Progress:
    """When the last job was done."""

    done_at = time.monotonic()

    def is_late(self) -> bool:
        return time.monotonic() - self.done_at > LATE_S


progress = Progress()


class Status(BaseHTTPRequestHandler):
    """Tells whether jobs get done: 200, and 503 once the last one is too long ago."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/progress" and progress.is_late() else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps requests out of the log, which is for jobs."""


def work() -> None:
    role = f"arn:aws:iam::{sts.get_caller_identity()['Account']}:role/app"
    while True:
        try:
            session = sts.assume_role(RoleArn=role, RoleSessionName="job")
            print("job done as", session["AssumedRoleUser"]["Arn"], flush=True)
            progress.done_at = time.monotonic()
        except Exception as failed:
            print("job put back:", failed, flush=True)
        time.sleep(EVERY_S)


if __name__ == "__main__":
    threading.Thread(target=work, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Status).serve_forever()
