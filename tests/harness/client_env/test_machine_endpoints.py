"""What `brownout env --endpoint` prints for each kind of endpoint, what it writes, and that nothing outlives the stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from brownout.harness.base.statedir import discard_stack_dir, note_outside, stack_dir
from brownout.harness.cli.stacks import ENDPOINTS as OFFERED
from brownout.harness.client_env.machine_endpoints import ENDPOINTS, NAMES
from brownout.harness.client_env.shell_variables import exports, unset
from brownout.harness.client_env.stack_file import StackFile, make_stack_file
from brownout.harness.errors import UsageError
from brownout.harness.world import EdgeDoors, Endpoints
from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.core.topology import DOOR_KINDS, Vendor

HOST = "http://127.0.0.1/sydney.host"
TLS_HOST = "https://127.0.0.1/machines"
THUMBPRINT = "AB" * 20


def stack_file(*vendors: Vendor, doors: bool = True) -> StackFile:
    spec = build_stack(seed=1, vendors=vendors)
    clients = {name: f"http://127.0.0.1/{name}" for name in spec.nodes()}
    urls = {kind: dict.fromkeys(spec.regions, f"https://127.0.0.1/{kind}") for kind in DOOR_KINDS}
    edge = EdgeDoors(urls, Path("/ca.pem"), Path("/trust.pem"), THUMBPRINT) if doors else None
    endpoints = Endpoints(clients, {}, "http://127.0.0.1:1", edge=edge)
    return make_stack_file("s", spec, world="processes", endpoints=endpoints, user_token="", clock={})


STACK = stack_file("azure")


def variables(endpoint: str, machine: str = "web-1", stack: StackFile = STACK) -> dict[str, str]:
    """What chooses the kind of host, of all that is exported."""
    return {name: value for name, value in exports(stack, machine, endpoint=endpoint).items() if name in NAMES}


def test_the_command_offers_what_there_is() -> None:
    """The command's choices stand in its own file, so that `--help` imports nothing."""
    assert OFFERED == ENDPOINTS


@pytest.mark.parametrize("machine", ["web-1", "scaleout_7"])
@pytest.mark.parametrize(
    ("endpoint", "names"),
    [
        ("imds", {"AZURE_POD_IDENTITY_AUTHORITY_HOST"}),
        ("app-service", {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"}),
        ("app-service-2017", {"MSI_ENDPOINT", "MSI_SECRET"}),
        ("vm-extension", {"MSI_ENDPOINT"}),
        ("service-fabric", {"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IDENTITY_SERVER_THUMBPRINT"}),
        ("arc", {"IDENTITY_ENDPOINT", "IMDS_ENDPOINT"}),
        ("cloud-shell", {"MSI_ENDPOINT"}),
    ],
)
def test_each_kind_sets_what_makes_an_sdk_take_it_for_meant_and_unsets_the_rest(
    endpoint: str, names: set[str], machine: str
) -> None:
    """Exactly those variables, below the machine's own address; every other one of another kind is unset."""
    found = variables(endpoint, machine)
    assert set(found) == names
    assert set(unset(exports(STACK, machine, endpoint=endpoint))) >= set(NAMES) - names
    (url,) = {value for name, value in found.items() if name.endswith("_ENDPOINT") and name != "IMDS_ENDPOINT"} or {
        found.get("AZURE_POD_IDENTITY_AUTHORITY_HOST")
    }
    assert str(url).startswith(f"{TLS_HOST if endpoint == 'service-fabric' else HOST}/{machine}")


def test_the_stack_file_has_the_same_urls_and_secrets() -> None:
    """A program that reads the file needs no `brownout env`."""
    entry = STACK.machines["web-1"]
    app_service, fabric = variables("app-service"), variables("service-fabric")
    assert app_service == {"IDENTITY_ENDPOINT": entry.app_service_url, "IDENTITY_HEADER": entry.app_service_secret}
    assert fabric["IDENTITY_ENDPOINT"] == entry.service_fabric_url
    assert fabric["IDENTITY_HEADER"] == entry.service_fabric_secret
    assert fabric["IDENTITY_SERVER_THUMBPRINT"] == THUMBPRINT
    assert entry.app_service_secret != entry.service_fabric_secret
    assert STACK.machines["scaleout"].app_service_url == ""


def test_each_machine_has_secrets_of_its_own() -> None:
    """What one machine's program knows opens no other machine."""
    assert (
        len({variables("app-service", name)["IDENTITY_HEADER"] for name in ("web-1", "web-2", "scaleout_1", "scaleout_2")}) == 4
    )


def test_without_doors_there_is_no_service_fabric() -> None:
    """Its clients want TLS with a certificate that they know."""
    with pytest.raises(UsageError, match="TLS"):
        variables("service-fabric", stack=stack_file("azure", doors=False))


def test_without_azures_half_there_are_no_endpoints() -> None:
    """The option says whose clients it is for."""
    with pytest.raises(UsageError, match="Azure"):
        exports(stack_file("aws", doors=False), "web-1", endpoint="arc")


def test_a_workload_needs_a_user_assigned_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Federated credentials belong to user-assigned identities alone, and the token's file lies in the stack's folder."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="user-assigned"):
        variables("workload-identity")
    with pytest.raises(UsageError, match="state folder"):
        variables("workload-identity", "batch")
    folder = stack_dir("s")
    found = variables("workload-identity", "batch")
    assert found["AZURE_CLIENT_ID"] == STACK.machines["batch"].identities[0].client_id
    assert Path(found["AZURE_FEDERATED_TOKEN_FILE"]).is_relative_to(folder)


def test_what_was_written_outside_goes_with_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A noted file is removed with the folder, also one that was never written or is gone."""
    monkeypatch.setenv("BROWNOUT_HOME", str(tmp_path / "home"))
    folder, written, never = stack_dir("s"), tmp_path / "x.key", tmp_path / "never.key"
    for path in (written, never):
        note_outside(folder, path)
    written.write_text("key")
    (tmp_path / "other.key").touch()
    discard_stack_dir(folder, keep_logs=False)
    assert not folder.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "other.key"]
