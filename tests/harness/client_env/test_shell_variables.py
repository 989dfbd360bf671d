"""What `brownout env` prints, from stack files of one vendor and of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.client_env import machine_endpoints
from brownout.harness.client_env.shell_variables import application_variables, exports, inside_variables, unset
from brownout.harness.client_env.stack_file import StackFile, make_stack_file, read_stack_file, write_stack_file
from brownout.harness.errors import UsageError
from brownout.harness.world import EdgeDoors, Endpoints, Inside
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.auth.caller import Credentials
from brownout.identity.azure.entra.applications import seeded_secret
from brownout.identity.core.topology import DOOR_KINDS, Vendor

KEY = Credentials("AKIAEXAMPLE", "a secret")
STS = {"sydney": "http://127.0.0.1:71", "melbourne": "http://127.0.0.1:72"}
PROXIES = {"sydney": "http://127.0.0.1:81", "melbourne": "http://127.0.0.1:82"}
TLS = {kind: {region: f"https://localhost/{kind}.{region}" for region in STS} for kind, made in DOOR_KINDS.items() if made.tls}
DOORS = {"proxy": PROXIES, "sts": STS, **TLS}


def stack_file(*vendors: Vendor, edge: bool = True, inside: bool = False) -> StackFile:
    spec = build_stack(seed=1, vendors=vendors)
    clients = {name: f"http://127.0.0.1/{name}" for name in spec.nodes()}
    doors = EdgeDoors(DOORS, Path("/stack/ca.pem"), Path("/stack/trust.pem"), "AB" * 20) if edge else None
    within = Inside("net", {name: f"http://inside/{name}" for name in spec.nodes()}, Path("/v"), "http://d") if inside else None
    endpoints = Endpoints(clients, {}, "http://127.0.0.1:1", inside=within, edge=doors)
    key = KEY if "aws" in vendors else None
    return make_stack_file("s", spec, world="processes", endpoints=endpoints, user_token="", clock={}, access_key=key)


BOTH = stack_file("aws", "azure")


def aws(found: dict[str, str]) -> dict[str, str]:
    """The variables that are AWS's, without the two names of the region."""
    return {name: value for name, value in found.items() if name.startswith(("AWS_", "HTTPS_")) and "REGION" not in name}


def test_without_a_machine_a_client_is_the_first_administrator() -> None:
    """Keys, the home region, and that region's STS and IAM."""
    found = exports(BOTH, "")
    assert (found["AWS_REGION"], found["AWS_DEFAULT_REGION"]) == ("ap-southeast-2", "ap-southeast-2")
    assert aws(found) == {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "a secret",
        "AWS_ENDPOINT_URL_STS": STS["sydney"],
        "AWS_ENDPOINT_URL_IAM": "http://127.0.0.1/sydney.management",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1/sydney.vault",
        "AWS_ENDPOINT_URL_CLOUDFORMATION": "http://127.0.0.1/sydney.management",
    }


def test_on_a_machine_a_client_has_metadata_and_no_keys() -> None:
    """The machine's region is its own, and keys that an earlier `eval` set are unset."""
    found = exports(BOTH, "web-south-1")
    assert found["AWS_REGION"] == "ap-southeast-4"
    assert found["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == "http://127.0.0.1/melbourne.host/web-south-1"
    assert found["AWS_ENDPOINT_URL_STS"] == STS["melbourne"]
    assert not any("KEY" in name for name in found)
    assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CA_BUNDLE"} <= set(unset(found))


@pytest.mark.parametrize("machine", ["web-1", "scaleout_7"])
def test_a_container_has_an_address_and_a_token_instead(machine: str) -> None:
    """Each machine's are its own, also those of a scale set, and they are those of the stack file."""
    found = exports(BOTH, machine, container=True)
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT" not in found
    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"].startswith(f"http://127.0.0.1/sydney.host/{machine}/v2/credentials/")
    entry = BOTH.machines.get(machine)
    if entry is not None:
        assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] == entry.aws_container_authorization_token
        assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == entry.aws_container_credentials_url


def test_with_the_proxy_there_is_no_endpoint() -> None:
    """The client chooses its endpoint by its own rules; URLs of an earlier `eval` are unset."""
    found = exports(BOTH, "", proxy=True, region="melbourne")
    assert found["HTTPS_PROXY"] == PROXIES["melbourne"]
    assert found["AWS_CA_BUNDLE"] == "/stack/ca.pem"
    assert found["AWS_REGION"] == "ap-southeast-4"
    assert not any(name.startswith("AWS_ENDPOINT") for name in found)
    assert "AWS_ENDPOINT_URL_STS" in unset(found)


def test_a_client_on_a_machine_stands_there_whatever_region_it_uses() -> None:
    """`--region` is what it is configured for; the proxy is that of where the machine is. AWS's name will do."""
    found = exports(BOTH, "web-1", proxy=True, region="ap-southeast-4")
    assert (found["HTTPS_PROXY"], found["AWS_REGION"]) == (PROXIES["sydney"], "ap-southeast-4")


def test_a_stack_of_azure_alone_prints_nothing_of_aws() -> None:
    """And nothing of it is unset; what needs AWS's half is refused."""
    azure = stack_file("azure")
    found = exports(azure, "web-1")
    assert not any(name.startswith("AWS_") for name in (*found, *unset(found)))
    assert azure.aws is None
    with pytest.raises(UsageError, match="has no AWS half"):
        exports(azure, "web-1", container=True)


def test_by_url_a_client_of_azure_gets_entra_over_tls_and_trusts_others_too() -> None:
    """Of the region asked for; the machine's own where none is."""
    azure = stack_file("azure")
    for found, region in (
        (exports(azure, "web-south-1"), "melbourne"),
        (exports(azure, "web-south-1", region="sydney"), "sydney"),
    ):
        assert found["AZURE_AUTHORITY_HOST"] == f"https://localhost/entra.{region}"
        assert {found[name] for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")} == {"/stack/trust.pem"}
        assert "HTTPS_PROXY" not in found
    assert set(unset(exports(azure, ""))) == {*machine_endpoints.NAMES, "AZURE_CLIENT_SECRET"}


def test_by_name_a_client_of_azure_has_a_proxy_and_trusts_the_stack_alone() -> None:
    """A client that goes round the proxy cannot send anything to anybody else; loopback is not for the proxy."""
    found = exports(stack_file("azure"), "web-1", proxy=True)
    assert found["HTTPS_PROXY"] == PROXIES["sydney"]
    assert {"localhost", "127.0.0.1"} <= set(found["NO_PROXY"].split(","))
    assert {found[name] for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")} == {"/stack/ca.pem"}
    assert "AZURE_AUTHORITY_HOST" in unset(found)


def test_the_stack_file_has_the_doors_with_tls() -> None:
    """One of each service and region; the storage account is in the path of its URL."""
    melbourne = stack_file("azure").regions["melbourne"]
    assert melbourne.tls_management_url == "https://localhost/arm.melbourne"
    assert melbourne.tls_blob_url == f"{melbourne.tls_vault_url}/brownoutmelbourne"
    assert stack_file("azure", edge=False).regions["melbourne"].tls_vault_url == ""
    assert stack_file("aws").regions["melbourne"].tls_vault_url == ""


def test_a_stack_of_aws_alone_prints_nothing_of_azure() -> None:
    """Nor does its environment name a tenant."""
    assert not any(name.startswith("AZURE_") for name in exports(stack_file("aws"), "web-1"))


def test_the_application_has_a_client_id_and_a_secret_of_the_run() -> None:
    """EnvironmentCredential reads both beside the tenant; the stack file has them, and no two runs share the secret."""
    found = exports(BOTH, "") | application_variables(BOTH)
    known = BOTH.application
    assert known is not None
    assert found["AZURE_TENANT_ID"] == BOTH.tenant_id
    assert (found["AZURE_CLIENT_ID"], found["AZURE_CLIENT_SECRET"]) == (known.client_id, known.client_secret)
    other = seeded_secret(build_stack(seed=1, control_token="another run's"))
    assert known.client_secret == seeded_secret(build_stack(seed=1)) != other


def test_a_stack_of_aws_alone_has_no_application() -> None:
    """Which is said, with what to do."""
    assert stack_file("aws").application is None
    with pytest.raises(UsageError, match="no Azure half"):
        application_variables(stack_file("aws"))


def test_a_region_that_the_stack_lacks_is_refused() -> None:
    """With the nearest that it has."""
    with pytest.raises(UsageError, match=r"(?s)no region 'melborne'.*did you mean 'melbourne'"):
        exports(BOTH, "", region="melborne")


def test_a_world_without_doors_has_no_proxy() -> None:
    """`--proxy` says so, and STS is the first token node's."""
    bare = stack_file("aws", edge=False)
    assert bare.regions["sydney"].sts_url == bare.regions["sydney"].sts_urls[0]
    with pytest.raises(UsageError, match="has no proxy"):
        exports(bare, "", proxy=True)


def test_a_container_inside_gets_the_urls_that_are_good_there() -> None:
    """Both vendors' variables, with addresses of the stack's network."""
    found = inside_variables(stack_file("aws", "azure", edge=False, inside=True), "web-1")
    assert found["AZURE_POD_IDENTITY_AUTHORITY_HOST"] == "http://inside/sydney.host/web-1"
    assert found["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == "http://inside/sydney.host/web-1"
    assert found["AWS_ENDPOINT_URL_IAM"] == "http://inside/sydney.management"


def test_the_file_has_the_secret_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """What `make_stack_file` made comes back as it was."""
    path = tmp_path / "stack.json"
    write_stack_file(path, BOTH)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_stack_file(path) == BOTH
