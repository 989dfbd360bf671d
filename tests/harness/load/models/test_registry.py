"""Client models by name: ours, those of other packages, and what is said when one cannot be used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from brownout.harness.errors import UsageError
from brownout.harness.experiment.editor_schema import schema_text
from brownout.harness.load.arrivals import Cohort
from brownout.harness.load.models import registry
from brownout.harness.load.models.model import ClientModel, Operation

AWS = ("assume-role", "instance-credentials", "secret", "iam", "new-role", "console-sign-in")
OURS = ("token", "management", "resource", "provision", *AWS, "sign-in", "workload-identity", "http", "command")
MODEL = "from brownout.harness.load.models.token import TOKEN\nfrom dataclasses import replace\n"


def test_our_models_are_found_by_name() -> None:
    """Each is called what the table calls it, and each operation has one meaning."""
    assert registry.names() == OURS
    for model in registry.client_models():
        operations = [operation.name for operation in model.operations]
        assert registry.client_model(model.name) is model
        assert len(set(operations)) == len(operations)
        assert model.default_operation in operations
    cohorts = [typical.cohort for model in registry.client_models() for typical in model.typical]
    assert len(set(cohorts)) == len(cohorts)


def test_our_models_need_nothing_of_the_service_they_call() -> None:
    """They can be imported where only a load runs, as in its container: without what signs, and without vendors' SDKs."""
    program = """
import sys
sys.modules.update(dict.fromkeys(("cryptography", "botocore", "boto3", "azure", "msal")))  # None: cannot be imported
from brownout.harness.load.models import registry
print(*(model.name for model in registry.client_models()))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert told.stdout.split() == list(OURS), told.stderr


def test_an_unknown_name_gets_a_suggestion() -> None:
    """So does one in a cohort, where pydantic names all that there are."""
    with pytest.raises(UsageError, match="no client model 'tokn'") as raised:
        registry.client_model("tokn")
    assert raised.value.hint == "did you mean 'token'?"
    for wrong in ("tokn", 5, ["token"]):
        with pytest.raises(ValidationError, match=", ".join(map(repr, OURS))):
            Cohort.model_validate({"name": "c", "model": wrong, "region": "sydney", "rate_per_s": 1})


def test_another_packages_model_is_one_more_word_of_the_file(keyset: Path) -> None:
    """Its name stands behind ours, in the schema of experiment files too, and the model is the package's object."""
    assert registry.names() == (*OURS, "keyset")
    assert registry.client_model("keyset").target == 0.999
    assert '"keyset"' in schema_text()
    assert Cohort(name="c", model="keyset", region="sydney", rate_per_s=1).model == "keyset"


def test_one_of_ours_needs_no_look_at_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cohort of our model is read and its model found while nothing can be said about installed packages."""

    def unreadable(group: str) -> None:
        raise AssertionError(group)

    monkeypatch.setattr(registry, "installed", unreadable)
    registry._entries.cache_clear()
    registry.client_model.cache_clear()
    cohort = Cohort(name="c", model="token", region="sydney", rate_per_s=1)
    assert registry.client_model(cohort.model).name == "token"


def test_reading_a_name_imports_no_model() -> None:
    """The command line stays fast: models are imported when one is asked for."""
    script = (
        "import sys; from brownout.harness.load.arrivals import Cohort\n"
        "Cohort(name='c', model='management', region='sydney', rate_per_s=1)\n"
        "sys.exit('brownout.harness.load.models.management' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("mine", "", r"brownout\.clients 'mine' of made_up cannot be imported"),
        (
            "mine",
            "import not_there_at_all",
            r"cannot be imported: .*made_up.py:1: ModuleNotFoundError: No module named 'not_there_at_all'",
        ),
        ("mine", "MODEL = 3", r"'mine' is 3, and not a ClientModel of that name"),
        ("mine", MODEL + "MODEL = TOKEN", "not a ClientModel of that name"),
        ("mine", MODEL + "MODEL = replace(TOKEN, name='mine', operations=())", "at least one operation needs a weight above 0"),
    ],
)
def test_a_broken_package_is_named(install, name: str, source: str, words: str) -> None:
    """A model that cannot be used is its package's to repair, not a crash."""
    install("made_up", source, **{name: "MODEL"})
    assert registry.is_known(name)
    with pytest.raises(UsageError, match=words):
        registry.client_model(name)


def test_our_names_are_ours(install) -> None:
    """Installing a package replaces no model of ours."""
    install("made_up", MODEL + "MODEL = TOKEN", token="MODEL")
    with pytest.raises(UsageError, match=re.escape("two installed client models are called 'token'")):
        registry.names()


def test_front_ends_of_all_models_are_known() -> None:
    """Each is named once."""
    assert registry.front_ends() == ("arm", "portal", "regional", "global", "login", "seamless")


def test_operations_are_weighed_by_the_mix_or_else_by_the_model() -> None:
    """Weights of zero do not count, and a mix of nothing else is no mix."""
    model = ClientModel(
        name="m",
        operations=(Operation("a"), Operation("b", weight=2), Operation("c", weight=1)),
        script=...,
        target=0.9,  # type: ignore[arg-type]
    )
    assert model.weights({}) == model.weights({"a": 0}) == {"b": 2, "c": 1}
    assert model.weights({"a": 3, "b": 0}) == {"a": 3}
    assert model.default_operation == "b"
