import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../tests/support/ports.ts";
import { cores, pinned } from "../runner/pin.ts";
import { cellOf, hostOf } from "./fleet.ts";

const withinMs = 60_000;
const asked = 20;

/**
 * Starts a router that has its table on disk and nobody to talk to, control plane and cells dead.
 * @returns milliseconds from the start of the process until it has named the right cell for a tenant, and how many of further tenants it got wrong.
 */
export async function routerColdStart(
  folder: string,
  keyFile: string,
  tenants: number,
): Promise<{ readonly ms: number; readonly wrong: number }> {
  const port = await freePort();
  const nowhere = "http://127.0.0.1:9";
  const [command, args] = pinned(cores.subject, process.execPath, ["router/main.ts"]);
  const begin = performance.now();
  const child = spawn(command, args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      PATH: process.env["PATH"],
      PORT: String(port),
      KEY_FILE: keyFile,
      FLEET_URL: nowhere,
      FLEET_DIRECTORY: join(folder, "fleet"),
      LOG_LEVEL: "silent",
    },
  });
  try {
    const first = Math.floor(tenants / 2);
    while ((await cellNamed(port, first)) === null) {
      if (performance.now() - begin > withinMs) throw new Error("the router does not start");
      await sleep(2);
    }
    const ms = performance.now() - begin;
    let wrong = 0;
    for (let index = 0; index < asked; index += 1) {
      const tenant = (first + index * 7919) % tenants;
      if ((await cellNamed(port, tenant)) !== cellOf(tenant)) wrong += 1;
    }
    return { ms, wrong };
  } finally {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }
}

/** The cell that the router would have gone to: its refusal names it. Null while nobody listens. */
function cellNamed(port: number, tenant: number): Promise<string | null> {
  return new Promise((resolve) => {
    const asking = request({ host: "127.0.0.1", port, headers: { host: hostOf(tenant) }, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on("end", () => resolve(/Cell (cell-\d+)/.exec(text)?.[1] ?? ""));
    });
    asking.on("error", () => resolve(null));
    asking.end();
  });
}
