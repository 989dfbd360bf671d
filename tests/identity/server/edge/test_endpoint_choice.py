"""Real clients choose their endpoints by their own rules, and get through the edge to the nodes behind those names.

The oracle is the table of docs/reference/aws-wire.md#endpoint-names, which was measured with the same clients.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config

from support.edge_bench import EdgeBench, edge_bench

AWS = Path(sys.executable).with_name("aws")
CHOICES = [
    # sts_regional_endpoints, the client's region, the host that it calls, the region that it signs for
    *(
        (mode, region, f"sts.{region}.amazonaws.com", region)
        for mode in ("", "regional")
        for region in ("us-east-1", "eu-west-1", "ap-east-1")
    ),
    *((mode, "aws-global", "sts.amazonaws.com", "us-east-1") for mode in ("", "regional", "legacy")),
    *(("legacy", region, "sts.amazonaws.com", "us-east-1") for region in ("us-east-1", "eu-west-1", "ap-northeast-1")),
    ("legacy", "ap-east-1", "sts.ap-east-1.amazonaws.com", "ap-east-1"),
]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeBench]:
    with edge_bench(tmp_path_factory.mktemp("edge")) as bench:
        yield bench


@pytest.fixture
def bench(standing: EdgeBench, monkeypatch: pytest.MonkeyPatch) -> Iterator[EdgeBench]:
    """The edge, with this process as a client that stands in Dublin."""
    for name in [name for name in os.environ if name.upper().endswith("_PROXY") or name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in standing.environment("dublin").items():
        monkeypatch.setenv(name, value)
    standing.seen.clear()
    yield standing
    for fault_id in list(standing.edge.holds.shown()):
        standing.release(fault_id)


def call_sts(region: str) -> None:
    boto3.session.Session().client("sts", region_name=region).get_caller_identity()


@pytest.mark.parametrize(("mode", "region", "host", "signed"), CHOICES)
def test_boto3_gets_to_the_endpoint_that_it_chooses(
    bench: EdgeBench, monkeypatch: pytest.MonkeyPatch, mode: str, region: str, host: str, signed: str
) -> None:
    """Regional names lead to their region, the global one to where the client stands, and the signature is untouched."""
    if mode:
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", mode)
    call_sts(region)
    (seen,) = bench.seen
    assert (seen.host, seen.region, seen.service) == (host, signed, "sts")
    behind = {"sts.us-east-1": "virginia", "sts.eu-west-1": "dublin", "sts.ap-east-1": "hongkong", "sts": "dublin"}
    assert seen.node.startswith(behind[host.removesuffix(".amazonaws.com")] + ".token.")


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-east-1", "aws-global"])
def test_iam_is_one_name_signed_for_us_east_1(bench: EdgeBench, region: str) -> None:
    """Claim C1: whichever region a client is configured for, it calls the one name of IAM and signs for us-east-1."""
    boto3.session.Session().client("iam", region_name=region).list_users()
    (seen,) = bench.seen
    assert seen == ("dublin.management", "iam.amazonaws.com", "us-east-1", "iam")


def test_secrets_are_read_from_the_vault_of_the_clients_choice(bench: EdgeBench) -> None:
    """Secrets Manager's name of a region leads to that region's vault."""
    boto3.session.Session().client("secretsmanager", region_name="ap-northeast-1").get_secret_value(SecretId="s")
    assert bench.seen[0].node == "tokyo.vault"


def test_the_cli_shows_the_regional_endpoint_in_its_debug_output(bench: EdgeBench) -> None:
    """Claim C26: `aws sts get-caller-identity --region R --debug` shows sts.R.amazonaws.com:443 and a 200."""
    command = [AWS, "sts", "get-caller-identity", "--region", "eu-west-1", "--debug"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr
    assert "Starting new HTTPS connection (1): sts.eu-west-1.amazonaws.com:443" in told
    assert re.search(r'https://sts\.eu-west-1\.amazonaws\.com:443 "POST / HTTP/1\.1" 200', told)
    assert bench.seen[0].node.startswith("dublin.token.")


def test_global_sts_down_leaves_regional_sts_up(bench: EdgeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claim C23: with the global name gone a client with the legacy setting fails, and a regional one does not."""
    bench.hold("f", name="sts.amazonaws.com", effect="nxdomain")
    call_sts("eu-west-1")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    with pytest.raises(botocore.exceptions.ProxyConnectionError):
        call_sts("eu-west-1")
    bench.release("f")
    call_sts("eu-west-1")


def test_a_name_that_resets_ends_connections(bench: EdgeBench) -> None:
    """What the client sees is a connection that ended, and no answer of any proxy."""
    bench.hold("f", name="sts.eu-west-1.amazonaws.com", effect="reset")
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        call_sts("eu-west-1")


def test_a_slow_name_is_waited_for_by_patient_clients_alone(bench: EdgeBench) -> None:
    """A client with botocore's usual limits gets its answer late; one that waits less for a connection gives up."""
    bench.hold("f", name="sts.eu-west-1.amazonaws.com", effect="slow", delay_s=0.5)
    began_s = time.monotonic()
    call_sts("eu-west-1")
    assert time.monotonic() - began_s >= 0.5
    impatient = Config(connect_timeout=0.1, read_timeout=0.1)
    with pytest.raises(botocore.exceptions.HTTPClientError):
        boto3.session.Session().client("sts", region_name="eu-west-1", config=impatient).get_caller_identity()


@pytest.mark.usefixtures("bench")
def test_a_bad_record_is_cached_for_its_time_to_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the heal clients of the region that looked it up go on failing until the time is over, others are well."""

    def call_from(region: str) -> None:
        monkeypatch.setenv("HTTPS_PROXY", own.environment(region)["HTTPS_PROXY"])
        call_sts("eu-west-1")

    with edge_bench(tmp_path) as own:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(own.ca_bundle))
        own.hold("f", name="sts.eu-west-1.amazonaws.com", effect="nxdomain", ttl_s=3600)
        with pytest.raises(botocore.exceptions.ProxyConnectionError):
            call_from("dublin")
        own.release("f")
        with pytest.raises(botocore.exceptions.ProxyConnectionError):
            call_from("dublin")
        call_from("tokyo")
        own.run(own.edge.holds.put("an-hour-later", "skew", {"ahead_s": 3601}))
        call_from("dublin")


def test_a_wrong_record_leads_a_client_to_another_region(bench: EdgeBench) -> None:
    """The certificate is good for the name, and the signature is still for the region that the client meant."""
    bench.hold("f", name="sts.eu-west-1.amazonaws.com", effect="wrong", to="tokyo")
    call_sts("eu-west-1")
    (seen,) = bench.seen
    assert (seen.node.partition(".")[0], seen.host, seen.region) == ("tokyo", "sts.eu-west-1.amazonaws.com", "eu-west-1")


def test_a_fault_concerns_clients_of_the_regions_named(bench: EdgeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The door says where a client stands: one in Tokyo does not see what one in Dublin sees."""
    bench.hold("f", name="sts.eu-west-1.amazonaws.com", effect="empty", regions=["dublin"])
    with pytest.raises(botocore.exceptions.ProxyConnectionError):
        call_sts("eu-west-1")
    monkeypatch.setenv("HTTPS_PROXY", bench.environment("tokyo")["HTTPS_PROXY"])
    call_sts("eu-west-1")


def test_services_that_the_stack_lacks_are_not_reached(bench: EdgeBench) -> None:
    """A client of any other service of AWS gets to no one."""
    with pytest.raises(botocore.exceptions.ProxyConnectionError):
        boto3.session.Session().client("ec2", region_name="eu-west-1").describe_instances()
    assert bench.seen == []
