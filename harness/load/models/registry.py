"""The client models by name: those of this folder by the table below, others by the entry-point group `brownout.clients`.

A model without a package is named by its file, or by its place.

The table, rather than entry points for all, because the load's image holds our code without the metadata of an installed
package. A name alone is checked without importing a model, and one of ours without looking at what is installed.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

from brownout.harness.base.entry_points import imported, installed, place_of
from brownout.harness.base.hints import did_you_mean
from brownout.harness.base.users import own_code
from brownout.harness.errors import UsageError
from brownout.harness.load.models.model import ClientModel

GROUP = "brownout.clients"
_HOW = "one is a ClientModel(name=..., operations=..., script=...) of brownout.harness.load.models.model"
_PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_HERE = "brownout.harness.load.models"
_OURS = {
    "token": f"{_HERE}.token:TOKEN",
    "management": f"{_HERE}.management:MANAGEMENT",
    "resource": f"{_HERE}.resource:RESOURCE",
    "provision": f"{_HERE}.provision:PROVISION",
    "assume-role": f"{_HERE}.aws.assume_role:ASSUME_ROLE",
    "instance-credentials": f"{_HERE}.aws.instance_credentials:INSTANCE_CREDENTIALS",
    "secret": f"{_HERE}.aws.secret:SECRET",
    "iam": f"{_HERE}.aws.iam:IAM",
    "new-role": f"{_HERE}.aws.new_role:NEW_ROLE",
    "console-sign-in": f"{_HERE}.aws.console_sign_in:CONSOLE_SIGN_IN",
    "sign-in": f"{_HERE}.sign_in:SIGN_IN",
    "workload-identity": f"{_HERE}.workload_identity:WORKLOAD_IDENTITY",
    "http": f"{_HERE}.http:HTTP",
    "command": f"{_HERE}.command:COMMANDS",
}


def is_known(name: str) -> bool:
    """Whether there is a client model of that name, or it names a place where one may be; none is imported."""
    return name in _OURS or is_own(name) or name in _entries()


def is_own(name: str) -> bool:
    """Whether a model is named by its file (`./checkout.py`) or by its place in a package (`shop.clients:CHECKOUT`)."""
    return own_code.is_file_name(name) or _PLACE.fullmatch(name) is not None


def names() -> tuple[str, ...]:
    """The names of all client models, ours first; raises UsageError when two have one name."""
    return tuple(_entries())


@cache
def client_model(name: str) -> ClientModel:
    """The client model of that name; raises UsageError when there is none, or it cannot be used."""
    if is_own(name):
        return _model_in(Path(name)) if own_code.is_file_name(name) else _model_at(name)
    entry = EntryPoint(name, _OURS[name], GROUP) if name in _OURS else _entries().get(name)
    if entry is None:
        raise UsageError(f"there is no client model {name!r}", hint=did_you_mean(name, names()))
    found = imported(entry)
    if not isinstance(found, ClientModel) or found.name != name:
        problem = f"{GROUP} {name!r} is {found!r}, and not a ClientModel of that name"
        raise UsageError(problem, hint=f"{entry.value} is to be ClientModel(name={name!r}, ...)")
    return found


def client_models() -> tuple[ClientModel, ...]:
    """All client models in the order of `names`; raises UsageError when one cannot be used."""
    return tuple(map(client_model, names()))


def needs_console_users(model: str) -> bool:
    """Whether clients of the model sign in to AWS's console; raises UsageError for a model that there is not."""
    return client_model(model).needs_console_users


def front_ends() -> tuple[str, ...]:
    """Every front end that some client model has. A cohort of a model without any may weigh them; it makes no difference."""
    usable = []
    for name in names():
        with suppress(UsageError):  # told where it is used
            usable.append(client_model(name))
    return tuple(dict.fromkeys(name for model in usable for name in model.front_ends))


def _model_in(path: Path) -> ClientModel:
    """The one client model that a file defines; those of ours that it imports are not meant."""
    module = own_code.module_of(path.absolute(), "client model", _HOW)
    found = {id(each): each for each in vars(module).values() if isinstance(each, ClientModel) and not _is_ours(each)}
    if len(found) != 1:
        names = ", ".join(each.name for each in found.values()) or "none"
        raise UsageError(f"{path} is to define one ClientModel, and defines {names}", hint=_HOW)
    return next(iter(found.values()))


def _is_ours(model: ClientModel) -> bool:
    return model.name in _OURS and model is client_model(model.name)


def _model_at(place: str) -> ClientModel:
    try:
        found = EntryPoint(place, place, GROUP).load()
    except Exception as error:  # the user's own code: it may raise anything
        problem = f"the client model {place} cannot be imported: {place_of(error)}{type(error).__name__}: {error}"
        raise UsageError(problem, hint=_HOW) from error
    if not isinstance(found, ClientModel):
        raise UsageError(f"{place} is {type(found).__name__}, and not a ClientModel", hint=_HOW)
    return found


@cache
def _entries() -> dict[str, EntryPoint]:
    found = {name: EntryPoint(name, value, GROUP) for name, value in _OURS.items()}
    for entry in installed(GROUP):
        if found.setdefault(entry.name, entry).value != entry.value:
            both = f"{found[entry.name].value} and {entry.value}"
            raise UsageError(f"two installed client models are called {entry.name!r}: {both}")
    return found
