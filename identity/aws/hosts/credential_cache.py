"""A host's cache of role credentials, and when each has to be asked for again.

Unlike a token, which is refreshed by the request that finds it due, credentials are refreshed ahead of requests: IMDS answers
at once with what it has, and no request waits for a refresh that fails (docs/reference/aws-wire.md#credentials-of-an-instance).
"""

from __future__ import annotations

from heapq import heappop, heappush

from brownout.identity.aws.instance_credentials import InstanceCredentials, InstanceCredentialsRequest


class CredentialCache:
    """Credentials by what they were asked for with. Credentials stay until newer ones come or they are dropped."""

    def __init__(self, *, refresh_fraction: float) -> None:
        self._refresh_fraction = refresh_fraction
        self._known: dict[InstanceCredentialsRequest, InstanceCredentials] = {}
        self._due: dict[InstanceCredentialsRequest, float] = {}
        self._queue: list[tuple[float, int, InstanceCredentialsRequest]] = []  # may hold entries that `_due` outdates
        self._count = 0  # keeps entries of one moment in their order

    def __len__(self) -> int:
        return len(self._known)

    def get(self, wanted: InstanceCredentialsRequest) -> InstanceCredentials | None:
        return self._known.get(wanted)

    def is_past_refresh(self, wanted: InstanceCredentialsRequest, now_s: float) -> bool:
        """True when what is cached should have been replaced by now."""
        found = self._known[wanted]
        return now_s >= self._refresh_s(found)

    def put(self, wanted: InstanceCredentialsRequest, credentials: InstanceCredentials) -> None:
        """Keeps new credentials; they are due after a share of their life."""
        assert credentials.issued_s <= credentials.expires_s, credentials
        self._known[wanted] = credentials
        self.postpone(wanted, self._refresh_s(credentials))

    def postpone(self, wanted: InstanceCredentialsRequest, due_s: float) -> None:
        """Makes cached credentials due at that moment instead."""
        assert wanted in self._known, "only what is cached is refreshed"
        self._due[wanted] = due_s
        self._count += 1
        heappush(self._queue, (due_s, self._count, wanted))

    def drop(self, wanted: InstanceCredentialsRequest) -> None:
        """Forgets credentials, also ones that are not there."""
        self._known.pop(wanted, None)
        self._due.pop(wanted, None)
        assert wanted not in self._known, "what is dropped is not served"

    def clear(self) -> None:
        self._known.clear()
        self._due.clear()
        self._queue.clear()
        assert not self._known, "what is cleared is cold"

    def due(self, now_s: float) -> list[InstanceCredentialsRequest]:
        """What is to be asked for again, the most urgent first; each is told once, until it is put or postponed again."""
        found: list[InstanceCredentialsRequest] = []
        while self._queue and self._queue[0][0] <= now_s:
            due_s, _, wanted = heappop(self._queue)
            if self._due.get(wanted) == due_s:
                del self._due[wanted]
                found.append(wanted)
        return found

    def _refresh_s(self, credentials: InstanceCredentials) -> float:
        return credentials.issued_s + self._refresh_fraction * (credentials.expires_s - credentials.issued_s)
