"""The watch over the stack's own state: what the directory has withdrawn, and how much of that each node has heard.

Invariants are judged by the record alone (judge/invariants), and a request's record shows only what clients see. So now and
then the nodes are asked for their state, and the answer is recorded as an event `look`. Law: as in the conductor, nothing is
awaited but the world's methods.

Theory. A node *knows* what a look saw withdrawn once it holds at least the version that the directory had for it at that look:
the directory is asked for what it has withdrawn first, and for its versions after that. No clock of the stack is compared with
another, and no bound has to be assumed of how long a change travels.

Cost. A run takes a bounded number of looks, evenly spread, and one more after each change of a fault. Each ends before the
schedule goes on, going by how long the last one took. Nodes that faults of ours hold are not asked: they would not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brownout.harness.run.journal import Journal
from brownout.harness.world import DIRECTORY, STORE, TOKEN, VAULT, Settings, World, control_pages
from brownout.identity.aws.records.seed import account_of
from brownout.identity.azure.entra.key_sets import key_cache_s
from brownout.identity.core.nodes.publisher import REPLICATED
from brownout.identity.core.topology import NodeName

LOOKS = 24  # evenly spread over a run
LOOK_GAP_S = 2.0  # network time, at least
Page = Mapping[str, Any]


class StateWatch:
    """Looks from `begin` on. `away` names the nodes that faults of ours hold now."""

    def __init__(self, world: World, journal: Journal, away: Callable[[], frozenset[str]]) -> None:
        self._world, self._journal, self._away = world, journal, away
        self._home = f"{world.spec.home_region}.{DIRECTORY}"
        self._due_s, self._every_s, self._took_s = float("inf"), float("inf"), 0.0
        roles = {node: NodeName.parse(node).role for node in world.spec.nodes()}
        self._roles = {node: role for node, role in roles.items() if role in (*REPLICATED, STORE)}  # of the nodes to be asked
        self._present: dict[str, str] = {}  # what AWS's directory has had, by subject, with its name
        self._withdrawn: dict[str, str] = {}
        self._last_pages: list[Page] = []  # of the directory, from which the above was made

    async def begin(self, end_s: float) -> None:
        """Records what the stack promises, takes the first look, and plans the others up to `end_s` (emulated)."""
        spec = self._world.spec
        settings = Settings.of(spec.settings)
        promises = {
            "tenant_id": spec.tenant_id,
            "account_id": account_of(spec) if "aws" in spec.vendors else "",
            "publish_interval_s": settings.publish_interval_s,
            "iam_publish_interval_s": settings.iam_publish_interval_s,
            "clock_rate": self._world.rate,
            "key_cache_s": key_cache_s(settings),
        }
        self._journal.event("look", "promises", detail=promises)
        self._every_s = max(LOOK_GAP_S * self._world.rate, (end_s - self._world.now()) / LOOKS)
        await self.look()

    def next_s(self) -> float:
        """The emulated time of the next look that is due; infinite before `begin`."""
        return self._due_s

    def changed(self) -> None:
        """A fault has come or gone: the next look is due at once."""
        if self._every_s < float("inf"):
            self._due_s = self._world.now()

    async def look_due(self, before_s: float) -> None:
        """Takes the look that is due if it ends by `before_s` (emulated); else it waits until then."""
        if self._due_s > self._world.now():
            return
        if self._world.now() + 1.25 * self._took_s > before_s:
            self._due_s = before_s
            return
        await self.look()

    async def look(self) -> None:
        """One look. What does not answer is left out of it."""
        began_s = self._world.now()
        away = self._away()
        detail: dict[str, Any] = {"began_s": round(began_s, 6)}
        if self._home not in away:
            detail |= await self._look_at_directory()
        detail |= await self._look_at_nodes(away)
        self._journal.event("look", "state", detail=detail)
        self._took_s = self._world.now() - began_s
        self._due_s = self._world.now() + self._every_s

    async def _look_at_directory(self) -> Page:
        """What it has withdrawn since the last look and what came back, then the versions that it sends; nothing in silence."""
        spec = self._world.spec
        paths = ["/admin/deletions", *(["/admin/aws/principals"] if "aws" in spec.vendors else [])]
        pages = await control_pages(self._world, ((self._home, path) for path in paths))
        state = await self._world.states([self._home])
        if None in (*pages, *state):
            return {}
        told: list[Page] = [{**(page or {}), "version": None} for page in pages]
        if told == self._last_pages:  # nearly always: other changes have versions too, and little is withdrawn in a run
            return {"withdrawn": {}, "returned": [], "sent": _sent(state[0] or {})}
        found = self._withdrawn_by(*told)
        detail = {
            "withdrawn": {subject: name for subject, name in found.items() if subject not in self._withdrawn},
            "returned": sorted(subject for subject in self._withdrawn if subject not in found),
            "sent": _sent(state[0] or {}),
        }
        self._withdrawn, self._last_pages = found, told
        return detail

    def _withdrawn_by(self, deletions: Page, principals: Page | None = None) -> dict[str, str]:
        """Every subject that is withdrawn now, with its name."""
        found = {f"identity:{subject}": str(name) for subject, name in deletions["deleted"].items()}
        if principals is None:
            return found
        keys = principals["access_keys"]
        now = {f"role:{subject}": str(arn) for subject, arn in principals["roles"].items()}
        now |= {f"user:{subject}": str(arn) for subject, arn in principals["users"].items()}
        now |= {f"access-key:{key}": str(key) for key, usable in keys.items() if usable}
        self._present |= now | {f"access-key:{key}": str(key) for key in keys}
        return found | {subject: name for subject, name in self._present.items() if subject not in now}

    async def _look_at_nodes(self, away: frozenset[str]) -> Page:
        """What nodes hold of what is published, which keys stores refuse, token nodes publish, and vaults accept."""
        asked = {node: role for node, role in self._roles.items() if node not in away}
        pages = await self._world.states(asked)
        held: dict[str, Page] = {}
        refused: dict[str, list[str]] = {}
        published: dict[str, Page] = {}
        accepted: dict[str, list[str]] = {}
        for (node, role), page in zip(asked.items(), pages, strict=True):
            if page is None:
                continue
            if "replica_version" in page:
                account = page.get("aws", {}).get("account_version")
                held[node] = {"replica": page["replica_version"]} | ({} if account is None else {"account": account})
            if role == STORE:
                refused[node] = [key["key_id"] for key in page["keys"] if not key["valid"]]
            if role == TOKEN:
                published[node] = page["published_keys"]
            if role == VAULT:
                accepted[node] = list(page["key_ids"])
        return {"held": held, "refused_keys": refused, "published_keys": published, "accepted_keys": accepted}


def _sent(state: Page) -> Page:
    """The version of each publication of the directory: one of identities, and one of AWS's account for each region."""
    published = state.get("aws", {}).get("published", {})
    return {"replica": state["version"]} | {f"account:{region}": version for region, version in published.items()}
