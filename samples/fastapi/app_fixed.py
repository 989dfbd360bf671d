"""A service that greets with a secret of Key Vault. One credential, which keeps its token, serves every request."""

import os

from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from fastapi import FastAPI

app = FastAPI()
vault = SecretClient(os.environ["VAULT_URL"], ManagedIdentityCredential())


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "up"}


@app.get("/greeting")
def greeting() -> dict[str, str]:
    return {"greeting": f"hello, {vault.get_secret('sample').value}"}
