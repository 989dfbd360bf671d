"""A user's own Compose file: what is read of it, what goes over it, and why it is refused before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from brownout.harness.errors import UsageError
from brownout.harness.experiment.subject import Subject
from brownout.harness.subject.compose_project import Joined, UserProject, overlay, read_project, require_service
from brownout.harness.worlds.compose.image_names import IDENTITY_IMAGE

READY = "http://127.0.0.1:{port}/healthz"
PROJECT = UserProject.model_validate(
    {
        "name": "shop",
        "services": {
            "web": {"build": {"context": "."}, "networks": {"default": None}, "depends_on": {"db": {}, "queue": {}}},
            "db": {"image": "postgres:17", "networks": {"back": None}, "depends_on": {"seed": {}}},
            "queue": {"image": "rabbitmq", "depends_on": {"db": {}}},
            "seed": {"image": "shop/seed"},
            "other": {"image": "shop/other"},
            "closed": {"image": "shop/closed", "networks": {"back": None}},
        },
        "networks": {"default": {}, "back": {"internal": True}, "shared": {"external": True}},
        "volumes": {"rows": {}, "kept": {"external": True}},
    }
)
JOINED = Joined("run-1", "me@here", "brownout-run-1_client", 21000, 8080, {"PORT": "8080", "SECRET": "a$b"})
LABELS = {"brownout.subject": "run-1", "brownout.owner": "me@here"}


def test_what_a_service_depends_on_comes_along() -> None:
    """Its own and theirs, once each; nothing else of the file."""
    assert sorted(PROJECT.along("web")) == ["db", "queue", "seed", "web"]
    assert PROJECT.along("seed") == ("seed",)


def test_a_service_keeps_its_networks_and_joins_the_stack_s() -> None:
    """Compose leaves the default network out of a service that names another, so it is named too."""
    over = overlay(PROJECT, "web", JOINED)
    web = over["services"]["web"]
    assert list(web["networks"]) == ["default", "brownout-clients"]
    assert over["networks"]["brownout-clients"] == {"external": True, "name": "brownout-run-1_client"}
    assert web["ports"] == ["127.0.0.1:21000:8080"]
    assert web["image"] == "shop-web"  # as Compose names what it builds in the user's own project
    assert web["restart"] == "no"


def test_one_on_internal_networks_only_gets_a_way_for_its_port() -> None:
    """The engine publishes no port of a service that is on internal networks only."""
    over = overlay(PROJECT, "closed", JOINED)
    assert list(over["services"]["closed"]["networks"]) == ["brownout-clients", "brownout-door"]
    assert over["networks"]["brownout-door"] == {"labels": LABELS}


def test_everything_that_is_made_is_labelled_and_nothing_else() -> None:
    """By the label it is found and removed; what the file calls external is another's."""
    over = overlay(PROJECT, "web", JOINED)
    assert all(service["labels"] == LABELS for service in over["services"].values())
    assert sorted(over["services"]) == ["db", "queue", "seed", "web"]
    assert {name for name, network in over["networks"].items() if network.get("labels") == LABELS} == {"default", "back"}
    assert over["volumes"] == {"rows": {"labels": LABELS}}


def test_nothing_leads_the_service_elsewhere() -> None:
    """Credentials, endpoints and proxies are taken out; what it trusts stays; a dollar is no variable of Compose's."""
    variables = overlay(PROJECT, "web", JOINED)["services"]["web"]["environment"]
    assert variables["PORT"] == "8080"
    assert variables["SECRET"] == "a$$b"
    for name in ("AWS_ACCESS_KEY_ID", "AZURE_CLIENT_SECRET", "HTTPS_PROXY", "https_proxy", "IDENTITY_ENDPOINT"):
        assert variables[name] is None
    assert "SSL_CERT_FILE" not in variables


def written(folder: Path, service: str) -> Subject:
    """A subject whose Compose file has this service."""
    file = folder / "compose.yaml"
    file.write_text(f"services:\n  web: {service}\n", encoding="utf-8")
    return Subject(service="web", compose=str(file), ready=READY)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """With its path, as it was looked for."""
    with pytest.raises(UsageError, match=r"Compose file .*/no\.yaml is not there"):
        read_project(tmp_path / "no.yaml")


@pytest.mark.docker
def test_what_cannot_be_started_is_refused_in_words(tmp_path: Path) -> None:
    """A file that is none, no such service, host networking, the stack's own name, no image, a taken port."""
    with pytest.raises(UsageError, match=r"services\.web"):
        require_service(written(tmp_path, "{imag: x}"))
    with pytest.raises(UsageError, match="has no service 'wob'") as unknown:
        require_service(written(tmp_path, "{image: x}").model_copy(update={"service": "wob"}))
    assert unknown.value.hint == "did you mean 'web'?"
    with pytest.raises(UsageError, match="network_mode: host` and cannot join"):
        require_service(written(tmp_path, "{image: x, network_mode: host}"))
    with pytest.raises(UsageError, match="named toxiproxy"):
        require_service(written(tmp_path, "{image: x, depends_on: [toxiproxy]}\n  toxiproxy: {image: y}"))
    with pytest.raises(UsageError, match="image never/made of service web is not there") as missing:
        require_service(written(tmp_path, "{image: never/made, build: .}"))
    assert "build web" in missing.value.hint
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        mine = written(tmp_path, f"{{image: '{IDENTITY_IMAGE}', ports: ['127.0.0.1:{port}:80'], profiles: [app]}}")
        with pytest.raises(UsageError, match=f"publishes port {port}, and another program has it"):
            require_service(mine)
    require_service(mine)
