"""`brownout latent`: failures that caches hide today, and the hour at which each will show."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from brownout.harness.cli.frame import command, heal_first
from brownout.harness.cli.shell.complete import stack_names

if TYPE_CHECKING:
    from brownout.harness.worlds.renewals import LatentFailure, RenewalLook

FOUND = 1


@command(name="latent", measures=True)
@click.option("--stack", default="", shell_complete=stack_names, help="The stack, where several are up.")
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON object.")
def latent_command(stack: str, as_json: bool) -> int:
    """Find machines whose cached token would not be renewed today, and show when each will fail.

    Every host tries the renewals as they would go later, and changes no cache. Times are the stack's, in UTC. Exit codes: 0 all
    would be renewed, 1 some would not, or would be for another identity.
    """
    from brownout.harness.operate.latent import latent_failures

    heal_first()
    name, look = latent_failures(stack)
    if as_json:
        found = [{**asdict(each), "fails_at": _time(each.fails_s)} for each in look.failures]
        changes = [{**asdict(each), "changes_at": _time(each.changes_s)} for each in look.changes]
        told = {"stack": name, "now_s": look.now_s, "tokens": look.tokens, "failures": found, "changes": changes}
        click.echo(json.dumps(told))
    else:
        click.echo("\n".join(_lines(name, look)))
    return FOUND if look.failures or look.changes else 0


def _lines(name: str, look: RenewalLook) -> list[str]:
    count = len(look.failures)
    told = f"{count} would not be renewed" if count else "all would be renewed"
    head = f"{name}: {look.tokens} cached tokens tried at {_time(look.now_s)}; {told}"
    if not look.tokens:
        return [f"{name}: no token is cached, so nothing is hidden by one"]
    width = max((len(f"{found.region}.{found.machine}") for found in look.failures), default=0)
    changes = (
        f"  {_time(one.changes_s)}  {one.region}.{one.machine}  {one.resource}  gets a token of {one.identity} from then on"
        for one in look.changes
    )
    return [head, *(_line(found, look.now_s, width) for found in look.failures), *changes]


def _line(found: LatentFailure, now_s: float, width: int) -> str:
    hours, minutes = divmod(round(max(0.0, found.fails_s - now_s) / 60), 60)
    when = f"{_time(found.fails_s)}  in {hours:3} h {minutes:02} min" if found.fails_s > now_s else "fails already".ljust(32)
    who = found.identity or ("a name that means nothing there" if found.named else "no identity named")
    return f"  {when}  {f'{found.region}.{found.machine}':{width}}  {found.resource}  {who}: {found.reason}"


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S")
