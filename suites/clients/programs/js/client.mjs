// Tokens for one process by @azure/identity; a line of JSON says what came of each acquisition. With BEGUN set it makes that file
// after the first one, awaits the file RESUME, moves its clock by SHIFT_S and asks for a token again. Each wait between two requests
// is a fiftieth of what the client chose, and the sum of what it chose is told.
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { ManagedIdentityCredential } from "@azure/identity";

const PACE = 50;
let waited = 0; // ms; a timer that is cleared before its time was a limit and no wait
const realSetTimeout = globalThis.setTimeout;
globalThis.setTimeout = (call, ms = 0, ...given) =>
  realSetTimeout(() => {
    waited += ms;
    call(...given);
  }, ms / PACE);

const { version } = createRequire(import.meta.url)("@azure/identity/package.json");
const credential = new ManagedIdentityCredential();

async function acquire() {
  waited = 0;
  let error = "";
  try {
    await credential.getToken("https://vault.azure.net/.default");
  } catch (failed) {
    error = failed.name;
    console.error(failed);
  }
  console.log(JSON.stringify({ seconds: waited / 1000, version, error }));
}

function moveClock(seconds) {
  const now = Date.now.bind(Date);
  const ahead = seconds * 1000;
  globalThis.Date = class extends Date {
    constructor(...given) {
      super(...(given.length ? given : [now() + ahead]));
    }
    static now() {
      return now() + ahead;
    }
  };
}

await acquire();
if (process.env.BEGUN) {
  writeFileSync(process.env.BEGUN, "");
  while (!existsSync(process.env.RESUME)) await sleep(20);
  moveClock(Number(process.env.SHIFT_S));
  await acquire();
}
