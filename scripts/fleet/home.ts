import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import Value from "typebox/value";
import { isFree } from "../../cells/drivers/local/free-port.ts";
import { connectSupervisor } from "../../cells/drivers/local/supervisor/client.ts";
import { readHomeState } from "../../cells/drivers/local/supervisor/state.ts";
import { allocateBlock, cellPorts, claimFront, fleetPorts } from "../../cells/drivers/local/ports.ts";
import { FleetFile, homePaths } from "../../common/contracts/home.ts";
import type { ReleaseName } from "../../common/ids.ts";
import { SetupError } from "../lib/bootstrap.mjs";
import { progress } from "../setup/progress.ts";
import type { Temporal } from "../setup/temporal.ts";
import type { StartOptions } from "./arguments.ts";
import { writePrivately } from "./demo.ts";
import { nthCell, urlsOf } from "./layout.ts";

/** The ports that people know; another is taken where one of them is in use. */
const wellKnown = { router: 8080, controlPlane: 8081 } as const;
const defaultCells = 3;
const baseDomain = "cellplane.localhost";

/** What a home says of its fleet; null where no fleet was ever started in it. */
export function readFleetFile(home: string): FleetFile | null {
  const path = join(home, homePaths.fleet);
  if (!existsSync(path)) return null;
  const value: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (!Value.Check(FleetFile, value)) {
    const [first] = Value.Errors(FleetFile, value);
    throw new SetupError(
      `${path} does not fit (${first?.instancePath ?? ""} ${first?.message ?? ""}). It was made by another version: \`npm start -- --reset\` begins anew.`,
    );
  }
  return value;
}

/** Removes all that a home holds, keeping the folder itself: it may be a mount, or its permissions may matter. */
export function emptyHome(home: string): void {
  for (const name of existsSync(home) ? readdirSync(home) : [])
    rmSync(join(home, name), { recursive: true, force: true });
}

/** What the home's fleet is called by, before it is decided where it listens. */
export interface FleetIdentity {
  readonly application: string;
  readonly applicationDirectory: string | null;
  readonly firstRelease: ReleaseName;
}

/**
 * The fleet of a home as it shall be now: what was decided once stays (ports, application, first release), more cells may be added, and Temporal is
 * where it was found this time. It is written down before anything starts.
 * @throws SetupError when the options contradict what the home holds.
 */
export async function settleFleet(
  options: StartOptions,
  temporal: Temporal,
  identity: FleetIdentity,
): Promise<FleetFile> {
  mkdirSync(options.home, { recursive: true, mode: 0o700 });
  const known = readFleetFile(options.home);
  const block = await allocateBlock(options.home);
  const own = known?.ports ?? { ...fleetPorts(block), ...wellKnown };
  const demo = known?.demo ?? options.demo;
  const front = await frontPorts(options.home, own, block);
  const ports: FleetFile["ports"] = {
    ...own,
    router: front.router,
    controlPlane: front.controlPlane,
    feeder: demo ? fleetPorts(block).feeder : null,
  };
  const count = Math.max(options.cells ?? defaultCells, known?.cells.length ?? 0);
  if (options.cells !== null && known !== null && options.cells < known.cells.length) {
    throw new SetupError(
      `This fleet has ${known.cells.length} cells; cells are not removed by starting with fewer. Leave --cells out, or begin anew with --reset.`,
    );
  }
  if (options.app !== null && known !== null && known.applicationDirectory !== options.app) {
    throw new SetupError(
      `This fleet runs ${known.applicationDirectory ?? "the reference application"}. For another application take another --home, or begin anew with --reset.`,
    );
  }
  const file: FleetFile = {
    version: 1,
    baseDomain,
    application: known?.application ?? identity.application,
    applicationDirectory: known === null ? identity.applicationDirectory : known.applicationDirectory,
    firstRelease: known?.firstRelease ?? identity.firstRelease,
    demo,
    ports,
    urls: urlsOf(ports, temporalUrls(ports, temporal)),
    cells: Array.from(
      { length: count },
      (_, index) => known?.cells[index] ?? { ...nthCell(index), ports: cellPorts(block, index) },
    ),
    createdAt: known?.createdAt ?? new Date().toISOString(),
  };
  writePrivately(join(options.home, homePaths.fleet), `${JSON.stringify(file, null, 2)}\n`);
  return file;
}

function temporalUrls(ports: FleetFile["ports"], temporal: Temporal): FleetFile["urls"]["temporal"] {
  if (temporal.kind === "missing") return null;
  if (temporal.kind === "server") return { address: temporal.address, ui: "" };
  return { address: `127.0.0.1:${ports.temporal}`, ui: `http://127.0.0.1:${ports.temporalUi}` };
}

/** The fleet's processes that live, whether a supervisor does or not: their ports are in use, and by us. */
async function ownProcesses(home: string): Promise<ReadonlySet<string>> {
  const { processes } = await readHomeState(home);
  return new Set(processes.filter(({ pid }) => pid !== null).map(({ name }) => name));
}

/**
 * Router and control plane listen where people expect them, or where they listened before; where somebody else listens there by now, or another fleet is about to, at
 * their place in the fleet's own block.
 */
async function frontPorts(
  home: string,
  wanted: { readonly router: number; readonly controlPlane: number },
  block: number,
): Promise<{ router: number; controlPlane: number }> {
  const own = fleetPorts(block);
  const living = await ownProcesses(home);
  const isFront = await claimFront(home, async (other) => (await connectSupervisor(other)) !== null);
  const settle = async (name: keyof typeof wellKnown, process: string): Promise<number> => {
    const port = wanted[name];
    if (living.has(process) || port === own[name]) return port;
    if ((isFront || port !== wellKnown[name]) && (await isFree(port))) return port;
    progress.say(`Port ${port} is taken by another program: the ${process} listens on ${own[name]} instead.`);
    return own[name];
  };
  return { router: await settle("router", "router"), controlPlane: await settle("controlPlane", "control-plane") };
}
