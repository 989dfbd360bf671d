// A service that greets with a secret of Key Vault. Each region's vault gets one try of 800 ms; the second is the retry.
import { ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import express from "express";

const credential = new ManagedIdentityCredential();
const options = { retryOptions: { maxRetries: 0 } };
const vaults = [process.env.VAULT_URL, process.env.SECOND_VAULT_URL].map((url) => new SecretClient(url, credential, options));

async function getSecret(name) {
  for (const vault of vaults.slice(0, -1)) {
    try {
      return await vault.getSecret(name, { abortSignal: AbortSignal.timeout(800) });
    } catch {
      continue;
    }
  }
  return vaults.at(-1).getSecret(name, { abortSignal: AbortSignal.timeout(800) });
}

const app = express();
app.get("/healthz", (_request, response) => response.json({ status: "up" }));
app.get("/greeting", async (_request, response) => {
  const secret = await getSecret("sample");
  response.json({ greeting: `hello, ${secret.value}` });
});
app.listen(Number(process.env.PORT), "127.0.0.1");
