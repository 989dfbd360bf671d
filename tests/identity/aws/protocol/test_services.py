"""Services from the models of botocore."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brownout.identity.aws.protocol.services import VERSIONS, load_model, service


@pytest.mark.parametrize("name", VERSIONS)
def test_every_operation_of_a_model_is_compiled(name: str) -> None:
    """Each has its name, version and service, and is made once."""
    made_by = service(name)
    assert made_by is service(name)
    for operation_name in made_by.operation_names:
        operation = made_by.operation(operation_name)
        assert operation is not None
        assert operation is made_by.operation(operation_name)
        assert (operation.service, operation.name, operation.version) == (name, operation_name, VERSIONS[name])
    assert made_by.operation("Nothing") is None


def test_the_services_have_the_operations_of_their_models() -> None:
    """The two that people call most are whole; an update of botocore may add some and takes none away."""
    assert len(service("sts").operation_names) >= 11
    assert len(service("iam").operation_names) >= 176
    with pytest.raises(KeyError):
        service("s3")


def test_only_the_data_of_botocore_is_read() -> None:
    """No code of botocore runs in a node, and the compiled models are there within moments."""
    code = (
        "import sys\n"
        "from brownout.identity.aws.protocol.services import VERSIONS, service\n"
        "assert all(made_by.operation(each) for made_by in map(service, VERSIONS) for each in made_by.operation_names)\n"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('botocore', 'boto3')))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "[]"


def test_a_model_is_there_for_every_version() -> None:
    """The folders of botocore's data have the versions that are asked for."""
    for name, version in VERSIONS.items():
        assert load_model(name, version)["metadata"]["apiVersion"] == version
