"""azure-storage-blob, unmodified, on a machine's managed identity: what it puts it gets back, whole, in parts and in lists."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContentSettings

from support.blob_clients import PIECE_BYTES, as_contributor, refusal, service
from support.simulated_azure import SimulatedAzure, on_azure


def container(account: BlobServiceClient, name: str = "data") -> Any:
    return account.create_container(name)


def test_a_machines_identity_reads_what_every_account_has() -> None:
    """Token from IMDS for Storage's audience, list, properties, content: with no option but the account's name."""

    def story(azure: SimulatedAzure) -> tuple[list[str], bytes, int]:
        account = service(azure)
        blob = account.get_blob_client("samples", "hello.txt")
        names = [each.name for each in account.list_containers()]
        return names, blob.download_blob().readall(), blob.get_blob_properties().size

    assert on_azure(story) == (["samples"], b"hello from sydney\n", 18)


def test_a_blob_in_one_piece_comes_back_with_all_that_was_said_of_it() -> None:
    """Content, MD5, settings, metadata with the names' case, times and etag."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        blob = container(account).get_blob_client("a/b c+d%.txt")
        settings = ContentSettings(content_type="text/plain", cache_control="no-store", content_language="en")
        put = blob.upload_blob(b"hello", metadata={"Team": "a"}, content_settings=settings)
        found = blob.get_blob_properties()
        assert (found.name, found.size, found.etag, found.metadata) == ("a/b c+d%.txt", 5, put["etag"], {"Team": "a"})
        assert found.content_settings.content_type == "text/plain"
        assert found.content_settings.cache_control == "no-store"
        assert base64.b64encode(found.content_settings.content_md5) == b"XUFAKrxLKna5cZ2REBfFkg=="
        assert found.last_modified.timestamp() == int(azure.now_s)
        assert blob.download_blob().readall() == b"hello"

    as_contributor(story)


def test_a_large_blob_goes_and_comes_in_pieces() -> None:
    """More than one piece is staged in blocks and committed; ranges bring it back whole."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        blob = container(account).get_blob_client("large")
        content = os.urandom(4 * PIECE_BYTES + 17)
        blob.upload_blob(content)
        committed, staged = blob.get_block_list("all")
        assert [each.size for each in committed] == [PIECE_BYTES] * 4 + [17]
        assert staged == []
        assert blob.download_blob().readall() == content
        assert blob.download_blob(offset=PIECE_BYTES - 3, length=6).readall() == content[PIECE_BYTES - 3 : PIECE_BYTES + 3]

    as_contributor(story)


def test_blocks_are_of_no_blob_until_they_are_committed() -> None:
    """A blob is made of staged blocks, and of blocks that it had; those that were not used are gone."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        blob = container(account).get_blob_client("made")
        for name in ("a", "b", "c"):
            blob.stage_block(name, name.upper().encode())
        assert not blob.exists()
        blob.commit_block_list([BlobBlock("b"), BlobBlock("a")])
        assert blob.download_blob().readall() == b"BA"
        assert blob.get_block_list("uncommitted")[1] == []
        blob.stage_block("d", b"D")
        blob.commit_block_list([BlobBlock("a"), BlobBlock("d"), BlobBlock("b")])
        assert blob.download_blob().readall() == b"ADB"
        assert refusal(blob.commit_block_list, [BlobBlock("c")]) == (400, "InvalidBlockList")

    as_contributor(story)


def test_an_empty_blob_is_a_blob() -> None:
    """No range of it can be had, and the client knows what to do then."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> bytes:
        blob = container(account).get_blob_client("empty")
        blob.upload_blob(b"")
        found: bytes = blob.download_blob().readall()
        return found

    assert as_contributor(story) == b""


def test_lists_go_by_prefix_delimiter_and_page() -> None:
    """Names in order, page by page; with a delimiter folders appear once each."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        made = container(account)
        names = ["a/1", "a/2", "b", "c/x/1", "c/x/2", "d"]
        for name in names:
            made.upload_blob(name, name.encode(), metadata={"n": name})
        assert [each.name for each in made.list_blobs(results_per_page=2)] == names
        assert [each.name for each in made.list_blobs(name_starts_with="c/")] == ["c/x/1", "c/x/2"]
        assert [each.name for each in made.walk_blobs(delimiter="/", results_per_page=1)] == ["a/", "b", "c/", "d"]
        assert [each.name for each in made.walk_blobs(name_starts_with="c/", delimiter="/")] == ["c/x/"]
        (first, *_) = made.list_blobs(include=["metadata"])
        assert (first.metadata, first.size) == ({"n": "a/1"}, 3)

    as_contributor(story)


def test_conditions_keep_writers_from_overwriting_each_other() -> None:
    """If-None-Match: * makes a blob once; If-Match changes only what was read."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        blob = container(account).get_blob_client("one")
        first = blob.upload_blob(b"1")["etag"]
        assert refusal(blob.upload_blob, b"2") == (409, "BlobAlreadyExists")
        unmodified: dict[str, Any] = {"etag": first, "match_condition": MatchConditions.IfNotModified}
        blob.upload_blob(b"2", overwrite=True, **unmodified)
        assert refusal(blob.upload_blob, b"3", overwrite=True, **unmodified) == (412, "ConditionNotMet")
        assert refusal(blob.set_blob_metadata, {"a": "b"}, **unmodified) == (412, "ConditionNotMet")
        assert refusal(blob.delete_blob, **unmodified) == (412, "ConditionNotMet")
        newest = blob.get_blob_properties().etag
        changed = {"etag": newest, "match_condition": MatchConditions.IfModified}
        assert refusal(blob.download_blob, **changed)[0] == 304
        assert blob.download_blob().readall() == b"2"

    as_contributor(story)


def test_what_is_said_of_a_blob_changes_without_its_content() -> None:
    """Metadata and settings are replaced, each write with a new etag."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        blob = container(account).get_blob_client("one")
        etags = [blob.upload_blob(b"1", metadata={"old": "x"})["etag"], blob.set_blob_metadata({"new": "y"})["etag"]]
        etags.append(blob.set_http_headers(ContentSettings(content_type="text/csv"))["etag"])
        found = blob.get_blob_properties()
        assert (found.metadata, found.content_settings.content_type) == ({"new": "y"}, "text/csv")
        assert len(set(etags)) == 3
        assert blob.download_blob().readall() == b"1"

    as_contributor(story)


def test_containers_are_made_described_and_ended() -> None:
    """A container has metadata, is there once, and takes its blobs with it; one of its name begins empty."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        made = account.create_container("data", metadata={"A": "b"})
        assert made.get_container_properties().metadata == {"A": "b"}
        made.set_container_metadata({"C": "d"})
        assert [each.metadata for each in account.list_containers("data", include_metadata=True)] == [{"C": "d"}]
        assert refusal(account.create_container, "data") == (409, "ContainerAlreadyExists")
        made.upload_blob("one", b"1")
        made.get_blob_client("two").stage_block("a", b"A")
        made.delete_container()
        assert not made.exists()
        again = account.create_container("data")
        assert list(again.list_blobs()) == []
        assert refusal(again.get_blob_client("two").commit_block_list, [BlobBlock("a")]) == (400, "InvalidBlockList")

    as_contributor(story)


def test_data_are_regional_and_survive_a_kill() -> None:
    """A write is on the region's disk when it is answered, and no other region has it."""

    def story(account: BlobServiceClient, azure: SimulatedAzure) -> None:
        from brownout.harness.effects import NodeEffect
        from brownout.harness.world import Carrier

        made = container(account)
        blob = made.upload_blob("one", b"\x00\xff binary")
        made.get_blob_client("two").stage_block("a", b"A")
        account.get_blob_client("samples", "hello.txt").delete_blob()
        azure.world.run(azure.world.hold(Carrier("node", "sydney.vault"), "kill", NodeEffect("down")))
        azure.world.run(azure.world.release(Carrier("node", "sydney.vault"), "kill"))
        assert blob.download_blob().readall() == b"\x00\xff binary"
        made.get_blob_client("two").commit_block_list([BlobBlock("a")])
        assert not account.get_blob_client("samples", "hello.txt").exists()
        other = service(azure, account="https://brownoutmelbourne.blob.core.windows.net")
        with pytest.raises(ResourceNotFoundError):
            other.get_blob_client("data", "one").download_blob()
        assert other.get_blob_client("samples", "hello.txt").download_blob().readall() == b"hello from melbourne\n"

    as_contributor(story)
