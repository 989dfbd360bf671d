"""The names of a stack are those of its vendors."""

from __future__ import annotations

from dataclasses import replace

from brownout.harness.worlds.stack_spec import build_stack
from brownout.identity.aws.names import endpoints as aws_endpoints
from brownout.identity.azure.names import endpoints as azure_endpoints
from brownout.identity.core.settings import Settings
from brownout.identity.names import endpoint_names, endpoints


def test_a_stack_has_the_names_of_its_vendors_and_no_others() -> None:
    """Both halves' together are those of each alone."""
    both, azure, aws = (build_stack(seed=1, vendors=named) for named in (("aws", "azure"), ("azure",), ("aws",)))
    settings = Settings()
    assert endpoints(both, settings) == {**aws_endpoints(both, settings), **azure_endpoints(both, settings)}
    assert {*endpoint_names(azure), *endpoint_names(aws)} == set(endpoint_names(both))
    assert not set(endpoint_names(azure)) & set(endpoint_names(aws))


def test_a_stack_without_an_edge_has_no_names() -> None:
    """As those of earlier versions."""
    assert endpoint_names(replace(build_stack(seed=1), edge=False)) == ()
