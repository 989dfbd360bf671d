"""The page on clients of AWS works as printed, on one stack: the shell, boto3, aioboto3, and the SDKs for JavaScript and Go."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from brownout.harness.operate import stacks as standing
from support.docs_pages import DOCS, blocks, pasted

pytestmark = pytest.mark.slow
PAGE = DOCS / "aws.md"
ADMIN = ":user/admin"
WALKS = Path(__file__).parent / "clients"  # programs that use more of an SDK than the page does
NPM_PACKAGES = ("@aws-sdk/client-sts", "@aws-sdk/client-iam", "@aws-sdk/credential-providers")


def printed(language: str, mark: str = "") -> str:
    (block,) = (block for block in blocks(PAGE, language) if block.mark == mark)
    return block.text


def walk_of(language: str) -> dict[str, str]:
    """What each step of a walk says. Of a refused call: whether its error is of the SDK's own type for it, and the code."""
    return {
        "caller": "user/admin",
        "tags": "true AccessDenied",
        "assumed": f"assumed-role/app/{language}",
        "elsewhere": f"assumed-role/app/{language}",
        "web identity": f"assumed-role/web-identity/{language}",
        "bad token": "true InvalidIdentityToken",
        "bad policy": "true MalformedPolicyDocument",
        "machine": "web",
        "denied": "true AccessDenied",
        "wrong secret": "true SignatureDoesNotMatch",
        "made twice": "true EntityAlreadyExists",
        "read": "true",
        "pages": " ".join(f"{language}-{number}" for number in (1, 2, 3)),
        "deleted": "true NoSuchEntity",
        "ahead": "bitten",
        "expired session": "false ExpiredToken",  # the model of STS has a type for the token's error alone
        "other clock": "true SignatureDoesNotMatch",
        "expired token": "true ExpiredTokenException",
        "right again": "healed",
    }


def walked(lines: list[str]) -> dict[str, str]:
    """The steps of a walk in what it printed; a line that is none stays, as a step without a result."""
    return {step: result for step, _, result in (line.partition(": ") for line in lines)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="module")
def newcomer(folder: Path) -> Iterator[dict[str, str]]:
    """A shell with a state folder of its own, without proxies and without settings of AWS's; no stack is left up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWNOUT_HOME", str(folder / "home"))
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.lower().endswith("_proxy") and not name.startswith("AWS_")
        }
        kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        yield kept | {"BROWNOUT_HOME": str(folder / "home"), "AWS_PAGER": ""}
        for row in standing.stacks():
            asyncio.run(standing.tear_down(row))


@pytest.fixture(scope="module")
def up(newcomer: dict[str, str], folder: Path) -> str:
    """What the page's first block and its Python print; the stack is up from then on."""
    first = blocks(PAGE, "sh")[0].text
    (folder / "printed.py").write_text(printed("python"), encoding="utf-8")
    return pasted(first + "python printed.py\n", newcomer, folder)


def test_the_administrator_is_known_to_the_cli_and_boto3(up: str) -> None:
    """Both tell the same caller, a user is made, and a secret read."""
    assert up.count(ADMIN) == 2, up
    assert "value of sample" in up
    assert "Traceback" not in up


def test_aioboto3_needs_nothing_else(up: str, newcomer: dict[str, str], folder: Path) -> None:
    """It has an environment of its own, because it is tied to an older botocore; two calls go out at once."""
    there = folder / "aioboto3"
    there.mkdir()
    (there / "printed.py").write_text(printed("python", "aioboto3"), encoding="utf-8")
    uv = shlex.quote(str(Path(sys.executable).with_name("uv")))
    told = pasted(f"{uv} venv venv && {uv} pip install --offline --python venv/bin/python aioboto3", newcomer, there)
    if pasted("venv/bin/python -c 'import aioboto3'", newcomer, there):
        pytest.skip(f"uv has no aioboto3 in its cache: {told[-200:]}")
    seen = pasted('eval "$(brownout env --stack-file ../stack.json)"; venv/bin/python printed.py', newcomer, there)
    assert seen.startswith("value of sample "), seen
    assert seen.strip().endswith(ADMIN), seen


def test_the_sdk_for_javascript_needs_nothing_else(up: str, newcomer: dict[str, str], folder: Path) -> None:
    """Version 3 finds endpoint and credentials in the same variables, and a program that uses more of it does as in AWS."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("there is no node with npm")
    there = folder / "javascript"
    there.mkdir()
    (there / "printed.mjs").write_text(printed("javascript"), encoding="utf-8")
    shutil.copy(WALKS / "walk.mjs", there)
    told = pasted(f"npm install --offline --no-audit --no-fund {' '.join(NPM_PACKAGES)}", newcomer, there)
    if not (there / "node_modules" / "@aws-sdk").is_dir():
        pytest.skip(f"npm lacks one of {', '.join(NPM_PACKAGES)} in its cache: {told[-200:]}")
    environment = newcomer | {"NODE_NO_WARNINGS": "1"}
    run = "node printed.mjs; node walk.mjs ../stack.json"
    seen = pasted(f'eval "$(brownout env --stack-file ../stack.json)"; {run}', environment, there).splitlines()
    assert seen[0].endswith(ADMIN), seen
    assert walked(seen[1:]) == walk_of("js")


def test_the_sdk_for_go_needs_nothing_else(up: str, newcomer: dict[str, str], folder: Path) -> None:
    """Version 2 finds endpoint and credentials in the same variables, and a program that uses more of it does as in AWS."""
    if not shutil.which("go"):
        pytest.skip("there is no go")
    there = folder / "go"
    for name, source in (("printed", printed("go")), ("walk", (WALKS / "walk.go").read_text(encoding="utf-8"))):
        (there / name).mkdir(parents=True)
        (there / name / "main.go").write_text(source, encoding="utf-8")
    cache = pasted("go env GOMODCACHE", newcomer, there).strip()
    offline = newcomer | {"GOPROXY": f"file://{cache}/cache/download", "GONOSUMDB": "*", "GOFLAGS": "-mod=mod"}
    told = pasted("go mod init clients && go mod tidy && mkdir built && go build -o built ./...", offline, there)
    if not (there / "built" / "walk").is_file():
        assert "main.go:" not in told, told
        pytest.skip(f"go has no SDK of AWS's in its cache: {told[-200:]}")
    run = "built/printed; built/walk ../stack.json"
    seen = pasted(f'eval "$(brownout env --stack-file ../stack.json)"; {run}', newcomer, there).splitlines()
    assert seen[0].endswith(ADMIN), seen
    assert walked(seen[1:]) == walk_of("go")


def test_the_configuration_for_terraform_is_read(newcomer: dict[str, str], folder: Path) -> None:
    """Terraform itself parses it, and finds nothing to write in another way; its provider is not there to be run."""
    if not shutil.which("terraform"):
        pytest.skip("there is no terraform")
    there = folder / "terraform"
    there.mkdir()
    (there / "main.tf").write_text(printed("hcl"), encoding="utf-8")
    assert pasted("terraform fmt -check -diff main.tf && echo read", newcomer, there).strip().endswith("read")


def test_a_managed_identity_gets_a_role_of_the_account(up: str, newcomer: dict[str, str], folder: Path) -> None:
    """A token of one vendor's half is taken by the other's, with no key of either."""
    (folder / "managed.py").write_text(printed("python", "web identity"), encoding="utf-8")
    seen = pasted('eval "$(brownout env --machine web-1)"; python managed.py', newcomer, folder)
    assert seen.strip().endswith(":assumed-role/web-identity/job"), seen


def test_a_reset_gives_the_account_back(up: str, newcomer: dict[str, str], folder: Path) -> None:
    """The user that the page has made is gone, and the administrator's keys are those that were printed before."""
    (folder / "reset.py").write_text(printed("python", "reset"), encoding="utf-8")
    users = 'aws iam list-users --query "Users[].UserName" --output text'
    seen = pasted(f'eval "$(brownout env)"; {users}; python reset.py; {users}', newcomer, folder)
    assert seen.split() == ["admin", "bob", "caller", "True", "admin", "caller"], seen


def test_machines_names_and_faults_are_as_the_page_says(up: str, newcomer: dict[str, str], folder: Path) -> None:
    """A machine and a container have the machine's role; without the global name the legacy client alone fails."""
    told = pasted("".join(block.text for block in blocks(PAGE, "sh")[1:]), newcomer, folder)
    assert told.count(":assumed-role/web/") == 2, told
    assert "value of sample" in told
    assert told.count(ADMIN) == 1, "the regional client, and not the legacy one"
    assert "Failed to connect to proxy" in told
    assert "Traceback" not in told
    assert standing.stacks() == ()
