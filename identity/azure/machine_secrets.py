"""Secrets that programs on a machine know: of its own endpoints, and of the extension that IMDS replaced.

They are derived from the stack's control token, which is made for each run, so a host needs to keep none, and all who have
the token agree. Those of endpoints are derived in two steps, by the kind of endpoint and then by the machine. So a load can be
given the key of one kind, from which neither the control token nor a secret of another kind follows. No report and no page for
clients shows them.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

SERVICE_ACCOUNT_FILE = "/var/run/secrets/azure/tokens/azure-identity-token"  # where a pod finds its token
_SECRETS_OF = {"app-service-2017": "app-service"}  # endpoints that are another's in an older version
ARC_TOKENS = "/var/opt/azcmagent/tokens"  # the one folder in which clients look for keys of the Arc agent


def endpoint_key(control_token: str, kind: str) -> str:
    """What the secrets of all endpoints of that kind are derived from; both versions of App Service have one."""
    return _digest(control_token, f"azure-endpoint {_SECRETS_OF.get(kind, kind)}")


def secret_of_machine(key: str, address: str) -> str:
    """What a program on the machine of that address shows to its endpoint of the key's kind, in the form of a UUID."""
    made = _digest(key, f"secret {address}")
    return "-".join((made[:8], made[8:12], f"4{made[13:16]}", f"a{made[17:20]}", made[20:32]))


def endpoint_secret(control_token: str, kind: str, address: str) -> str:
    """The same for a caller that has the control token."""
    return secret_of_machine(endpoint_key(control_token, kind), address)


def arc_key_file(arc_key: str, address: str) -> str:
    """The path of the key that the Arc agent's challenge names, on the machine of that address."""
    return f"{ARC_TOKENS}/brownout-{_digest(arc_key, f'file {address}')[:24]}.key"


def extension_secret(control_token: str, object_id: str) -> str:
    """The client secret of a managed identity, which only the VM extension ever kept on a machine."""
    return _digest(control_token, f"azure-extension {object_id}")


def is_secret(given: str, wanted: str) -> bool:
    """True when they are the same, told in a time that says nothing of where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


@lru_cache(maxsize=4096)  # each request of a machine's client shows one, and its host compares it
def _digest(key: str, what: str) -> str:
    return hmac.digest(key.encode(), what.encode(), hashlib.sha256).hex()
