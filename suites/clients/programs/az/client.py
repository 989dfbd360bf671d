"""One command of the Azure CLI, by the Python in which it is installed: a line of JSON says what came of it.

`client.py login` logs in with the machine's identity, `client.py token` asks for a token of it.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import time

COMMANDS = {
    "login": ["login", "--identity", "--allow-no-subscriptions"],
    "token": ["account", "get-access-token", "--resource", "https://vault.azure.net"],
}
began = time.monotonic()
done = subprocess.run([sys.executable, "-m", "azure.cli", *COMMANDS[sys.argv[1]]], capture_output=True, text=True, check=False)
seconds = time.monotonic() - began
sys.stderr.write(done.stderr)
error = f"exit code {done.returncode}" if done.returncode else ""
told = {"seconds": seconds, "version": importlib.metadata.version("azure-cli"), "error": error}
sys.stdout.write(json.dumps(told) + "\n")
