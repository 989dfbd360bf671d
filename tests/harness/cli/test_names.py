"""A broken endpoint name by hand, seen by the aws CLI, and healed after everything that broke it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from shlex import quote

import pytest

from support.brownout_command import PROGRAM, Brownout, eventually

pytestmark = pytest.mark.slow

AWS = Path(sys.executable).with_name("aws")
NAME = "sts.ap-southeast-2.amazonaws.com"


def asks(brownout: Brownout, *options: str, region: str = "ap-southeast-2") -> subprocess.CompletedProcess[str]:
    """The aws CLI in a shell that took over `brownout env --proxy`, with no endpoint anywhere."""
    env = f"{quote(str(PROGRAM))} env --proxy {' '.join(options)}"
    script = f'eval "$({env})" && {quote(str(AWS))} sts get-caller-identity --region {region} --query Arn --output text'
    variables = brownout.variables({"AWS_MAX_ATTEMPTS": "1", "AWS_CONFIG_FILE": "/dev/null"})
    return subprocess.run(["sh", "-c", script], cwd=brownout.work, env=variables, capture_output=True, text=True, timeout=60)


def test_a_broken_name_is_healed_whoever_is_left(brownout: Brownout) -> None:
    """The CLI works by name, not by a broken one, by another; the next command heals what a killed `inject` left."""
    assert brownout.run("up", "--vendor", "aws").returncode == 0
    assert asks(brownout).stdout.strip().endswith(":user/admin")
    assert ":assumed-role/web/" in asks(brownout, "--machine", "web-1").stdout

    held = brownout.start("inject", "name-nxdomain", "--target", NAME, "--for", "60s")
    eventually(lambda: "bites" in held.out.read_text(encoding="utf-8"), 30, what="the fault bites")
    assert asks(brownout).returncode != 0
    assert asks(brownout, region="ap-southeast-4").stdout.strip().endswith(":user/admin")

    guardians = [pid for pid, command in brownout.processes().items() if "brownout.harness.injection.guardian" in command]
    for pid in guardians:
        os.kill(pid, signal.SIGKILL)
    held.process.kill()
    held.end()
    assert asks(brownout).returncode != 0
    told = brownout.run("status", "--json")
    assert "healed on stack" in told.stderr
    (stack,) = json.loads(told.stdout)["stacks"]
    assert (stack["faults"], stack["vendors"]) == ([], ["aws"])
    assert asks(brownout).stdout.strip().endswith(":user/admin")

    assert "is down" in brownout.run("down").stdout
    eventually(lambda: brownout.processes() == {}, 5, what="no process is left")
