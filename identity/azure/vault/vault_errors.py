"""Key Vault's refusals, in its envelope with an inner error (docs/reference/azure-wire.md#key-vault-errors)."""

from __future__ import annotations

from brownout.identity.core.messages import Response


class VaultError(Exception):
    """A refusal. `inner` is the code of the inner error, "" where there is none."""

    def __init__(self, status: int, code: str, message: str, inner: str = "") -> None:
        super().__init__(status, code, message, inner)
        self.status, self.code, self.message, self.inner = status, code, message, inner

    def to_response(self) -> Response:
        told: dict[str, object] = {"code": self.code, "message": self.message}
        if self.inner:
            told["innererror"] = {"code": self.inner}
        return Response(self.status, {"error": told})


def secret_not_found(name: str) -> VaultError:
    text = (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able"
    )
    return VaultError(404, "SecretNotFound", f"{text} to recover it using the correct recovery command.")


def deleted_secret_not_found(name: str) -> VaultError:
    return VaultError(404, "SecretNotFound", f"Deleted Secret not found: {name}")


def not_a_page(path: str) -> VaultError:
    return VaultError(404, "NotFound", f"The vault has no {path}")


def wrong_method(method: str) -> VaultError:
    return VaultError(405, "MethodNotAllowed", f"The method {method} is not allowed here.")


def disabled(operation: str) -> VaultError:
    text = f"Operation {operation} is not allowed on a disabled secret."
    return VaultError(403, "Forbidden", text, "SecretDisabled")


def name_is_deleted(name: str) -> VaultError:
    text = f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the"
    return VaultError(409, "Conflict", f"{text} secret can only be recovered or purged.", "ObjectIsDeletedButRecoverable")


def name_exists(name: str) -> VaultError:
    return VaultError(409, "Conflict", f"There is already a secret {name} in this vault.")


def bad_parameter(text: str) -> VaultError:
    return VaultError(400, "BadParameter", text)


def overloaded(status: int, why: str) -> VaultError:
    """A vault that has more to do than it can: throttled with 429, else not available."""
    code = "Throttled" if status == 429 else "ServiceUnavailable"
    return VaultError(status, code, f"Request was not processed because too many requests were received: {why}")


def forbidden_by_rbac(caller: str, action: str, resource: str, vault: str, location: str) -> VaultError:
    """What a caller without the role is told, line by line as the real service words it."""
    lines = (
        "Caller is not authorized to perform action on resource.",
        "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
        f"Caller: {caller}",
        f"Action: '{action}'",
        f"Resource: '{resource.lower()}'",
        "Assignment: (not found)",
        "DenyAssignmentId: null",
        "DecisionReason: null ",
        f"Vault: {vault};location={location}",
        "",
    )
    return VaultError(403, "Forbidden", "\r\n".join(lines), "ForbiddenByRbac")
