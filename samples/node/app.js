// A service that greets with a secret of Key Vault. How long a request may take is left to the client library's retries.
import { ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import express from "express";

const credential = new ManagedIdentityCredential();
const vault = new SecretClient(process.env.VAULT_URL, credential);

const app = express();
app.get("/healthz", (_request, response) => response.json({ status: "up" }));
app.get("/greeting", async (_request, response) => {
  const secret = await vault.getSecret("sample");
  response.json({ greeting: `hello, ${secret.value}` });
});
app.listen(Number(process.env.PORT), "127.0.0.1");
