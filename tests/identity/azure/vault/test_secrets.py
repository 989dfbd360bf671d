"""azure-keyvault-secrets, unmodified, on a machine's managed identity: secrets, versions, soft delete, roles and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from brownout.identity.azure.control.built_in_roles import KEY_VAULT_SECRETS_USER
from support.simulated_azure import HOUR_S, SimulatedAzure, on_azure

OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
VAULT_URL = "https://brownout-sydney.vault.azure.net"
DAY_S = 24 * HOUR_S


def client(azure: SimulatedAzure, credential: Any = None, **more: Any) -> SecretClient:
    """A client of Sydney's vault on the machine `web`, or by another credential."""
    return SecretClient(VAULT_URL, credential or azure.credential(), transport=azure.transport(), **more)


def as_officer(story: Callable[[SecretClient, SimulatedAzure], Any]) -> Any:
    """Runs `story` with a client whose identity may do everything with secrets."""

    def whole(azure: SimulatedAzure) -> Any:
        azure.grant(azure.spec.identity("web-system").object_id, OFFICER)
        return story(client(azure), azure)

    return on_azure(whole)


def refused(call: Callable[..., Any], *given: Any, **named: Any) -> tuple[int | None, str, str]:
    """Status, code and inner code of the error that a call raises."""
    with pytest.raises(HttpResponseError) as caught:
        call(*given, **named)
    error: Any = caught.value.error
    inner = (error.innererror or {}).get("code", "") if error is not None else ""
    return caught.value.status_code, error.code if error is not None else "", inner


def test_a_machines_identity_reads_a_secret() -> None:
    """Challenge, token from IMDS, secret: what `SecretClient` does by itself, with no option but the vault's name."""

    def story(azure: SimulatedAzure) -> tuple[str | None, str | None]:
        found = client(azure).get_secret("sample")
        return found.value, found.id

    value, url = on_azure(story)
    assert value == "value of sample"
    assert str(url).startswith(f"{VAULT_URL}/secrets/sample/")


def test_a_secret_keeps_all_its_versions() -> None:
    """Each set is a new version; the newest is read by name, each by its own id, with what was said of it."""

    def story(vault: SecretClient, azure: SimulatedAzure) -> None:
        first = vault.set_secret("db", "one", content_type="text/plain", tags={"team": "a"})
        second = vault.set_secret("db", "two")
        assert vault.get_secret("db").value == "two"
        old = vault.get_secret("db", str(first.properties.version))
        assert (old.value, old.properties.content_type, old.properties.tags) == ("one", "text/plain", {"team": "a"})
        listed = [each.version for each in vault.list_properties_of_secret_versions("db")]
        assert listed == [first.properties.version, second.properties.version]
        assert first.properties.created_on is not None
        assert first.properties.created_on.timestamp() == int(azure.now_s)
        assert first.properties.recovery_level == "Recoverable+Purgeable"

    as_officer(story)


def test_properties_change_and_the_value_does_not() -> None:
    """An update of one version changes what is said of it; a disabled one cannot be read, an expired one can."""

    def story(vault: SecretClient, azure: SimulatedAzure) -> None:
        from datetime import UTC, datetime

        made = vault.set_secret("db", "one", tags={"team": "a"})
        ends = datetime.fromtimestamp(int(azure.now_s) + 60, UTC)
        changed = vault.update_secret_properties("db", str(made.properties.version), expires_on=ends, content_type="x")
        assert (changed.expires_on, changed.content_type, changed.tags) == (ends, "x", {"team": "a"})
        azure.sleep(120)
        assert vault.get_secret("db").value == "one"
        vault.update_secret_properties("db", enabled=False)
        assert refused(vault.get_secret, "db") == (403, "Forbidden", "SecretDisabled")

    as_officer(story)


def test_lists_come_page_by_page_and_never_with_values() -> None:
    """`maxresults` secrets a page, each once, in the order of their names."""

    def story(vault: SecretClient, azure: SimulatedAzure) -> None:
        names = [f"s{number:02}" for number in range(7)]
        for name in names:
            vault.set_secret(name, "hidden")
        before = len(azure.requests)
        found = [each.name for each in vault.list_properties_of_secrets(max_page_size=3)]
        assert found == ["app-api-key", "app-database", *names, "sample"]
        assert len(azure.requests) - before == 4
        assert not any(b"hidden" in answer.payload for answer in azure.answers[-4:])

    as_officer(story)


def test_what_was_deleted_is_recovered_or_purged_and_nothing_else() -> None:
    """A deleted secret is in no list but its own, keeps its name, comes back whole, and ends for good when purged."""

    def story(vault: SecretClient, azure: SimulatedAzure) -> None:
        vault.set_secret("db", "one")
        gone = vault.begin_delete_secret("db").result()
        assert gone.deleted_date is not None
        assert gone.scheduled_purge_date is not None
        assert (gone.scheduled_purge_date - gone.deleted_date).days == 90
        with pytest.raises(ResourceNotFoundError):
            vault.get_secret("db")
        assert [each.name for each in vault.list_deleted_secrets()] == ["db"]
        assert "db" not in [each.name for each in vault.list_properties_of_secrets()]
        assert vault.get_deleted_secret("db").recovery_id == f"{VAULT_URL}/deletedsecrets/db"
        with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
            vault.set_secret("db", "two")
        vault.begin_recover_deleted_secret("db").wait()
        assert vault.get_secret("db").value == "one"
        vault.begin_delete_secret("db").wait()
        vault.purge_deleted_secret("db")
        with pytest.raises(ResourceNotFoundError):
            vault.get_deleted_secret("db")
        assert vault.set_secret("db", "two").value == "two"

    as_officer(story)


def test_a_deleted_secret_ends_by_itself_after_90_days() -> None:
    """Until then it can be recovered."""

    def story(vault: SecretClient, azure: SimulatedAzure) -> None:
        vault.begin_delete_secret("sample").wait()
        azure.sleep(89 * DAY_S)
        assert vault.get_deleted_secret("sample").name == "sample"
        azure.sleep(1.1 * DAY_S)
        with pytest.raises(ResourceNotFoundError):
            vault.get_deleted_secret("sample")

    def whole(azure: SimulatedAzure) -> None:
        azure.grant(azure.spec.identity("web-system").object_id, OFFICER)
        story(client(azure), azure)

    on_azure(whole, publish_interval_s=HOUR_S)


def test_a_backup_brings_a_secret_back_and_shows_nothing() -> None:
    """A backup is opaque, is restored with all versions, and only where no secret has the name."""

    def story(vault: SecretClient, azure: SimulatedAzure) -> None:
        vault.set_secret("db", "first-value")
        vault.set_secret("db", "second-value")
        backup = vault.backup_secret("db")
        assert b"first-value" not in backup
        assert refused(vault.restore_secret_backup, backup)[:2] == (409, "Conflict")
        vault.begin_delete_secret("db").wait()
        vault.purge_deleted_secret("db")
        vault.restore_secret_backup(backup)
        assert vault.get_secret("db").value == "second-value"
        assert len(list(vault.list_properties_of_secret_versions("db"))) == 2
        assert refused(vault.restore_secret_backup, b"x" + backup)[:2] == (400, "BadParameter")

    as_officer(story)


BAD = {
    "name": lambda vault: refused(vault.set_secret, "a_b", "x"),
    "value too long": lambda vault: refused(vault.set_secret, "a", "x" * 25_601),
    "too many tags": lambda vault: refused(vault.set_secret, "a", "x", tags={str(n): "" for n in range(16)}),
    "page too large": lambda vault: refused(lambda: list(vault.list_properties_of_secrets(max_page_size=26))),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_parameters_are_refused_as_such(case: str) -> None:
    """400 with BadParameter, whatever it is that cannot be."""
    assert as_officer(lambda vault, azure: BAD[case](vault))[:2] == (400, "BadParameter")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "must be specified"),
        ("?api-version=1.0", "not recognized"),
        ("?api-version=7.6&$skiptoken=!", "skiptoken"),
        ("?api-version=7.6&$skiptoken=eHl6", "skiptoken"),
        ("?api-version=7.6", ""),
    ],
)
def test_a_request_names_a_version_and_a_page_that_there_are(query: str, words: str) -> None:
    """Without a version, or with one or a page that there is not, a good token is not enough."""

    def story(azure: SimulatedAzure) -> tuple[int, str]:
        token = azure.credential().get_token("https://vault.azure.net/.default").token
        answer = azure.send(f"{VAULT_URL}/secrets{query}", headers={"Authorization": f"Bearer {token}"})
        return answer.status_code, answer.text

    status, text = on_azure(story)
    assert status == (400 if words else 200)
    assert words in text


def test_a_caller_without_the_role_is_told_all_that_matters() -> None:
    """403 ForbiddenByRbac names the caller, the action, the resource and the vault, and a role makes it go away."""

    def story(azure: SimulatedAzure) -> str:
        application = ClientSecretCredential(
            azure.tenant, azure.application.client_id, azure.secret, transport=azure.transport()
        )
        vault = client(azure, application)
        with pytest.raises(HttpResponseError) as caught:
            vault.get_secret("sample")
        azure.grant(azure.application.identity.object_id, KEY_VAULT_SECRETS_USER)
        assert vault.get_secret("sample").value == "value of sample"
        assert refused(vault.set_secret, "a", "b") == (403, "Forbidden", "ForbiddenByRbac")
        return str(caught.value.message)

    told = on_azure(story)
    azure = on_azure(lambda azure: azure)
    assert f"oid={azure.application.identity.object_id}" in told
    assert "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'" in told
    assert "/providers/microsoft.keyvault/vaults/brownout-sydney/secrets/sample'" in told
    assert "Vault: brownout-sydney;location=australiaeast" in told


def test_a_role_at_one_secret_opens_that_one_alone() -> None:
    """Roles hold at their scope and below it."""

    def story(azure: SimulatedAzure) -> tuple[str | None, tuple[int | None, str, str]]:
        group = f"/subscriptions/{azure.spec.subscription_id}/resourceGroups/load"
        scope = f"{group}/providers/Microsoft.KeyVault/vaults/brownout-sydney/secrets/sample"
        azure.grant(azure.application.identity.object_id, KEY_VAULT_SECRETS_USER, scope)
        who = ClientSecretCredential(azure.tenant, azure.application.client_id, azure.secret, transport=azure.transport())
        vault = client(azure, who)
        return vault.get_secret("sample").value, refused(vault.get_secret, "app-database")

    assert on_azure(story) == ("value of sample", (403, "Forbidden", "ForbiddenByRbac"))


def test_secrets_are_regional_and_survive_a_kill() -> None:
    """A write is on the region's disk when it is answered, and no other region has it."""

    def story(vault: SecretClient, azure: SimulatedAzure) -> None:
        from brownout.harness.effects import NodeEffect
        from brownout.harness.world import Carrier

        vault.set_secret("db", "one")
        vault.begin_delete_secret("sample").wait()
        vault.purge_deleted_secret("sample")
        azure.world.run(azure.world.hold(Carrier("node", "sydney.vault"), "kill", NodeEffect("down")))
        azure.world.run(azure.world.release(Carrier("node", "sydney.vault"), "kill"))
        assert vault.get_secret("db").value == "one"
        with pytest.raises(ResourceNotFoundError):
            vault.get_secret("sample")
        other = SecretClient("https://brownout-melbourne.vault.azure.net", azure.credential(), transport=azure.transport())
        with pytest.raises(ResourceNotFoundError):
            other.get_secret("db")
        assert other.get_secret("sample").value == "value of sample"

    as_officer(story)
