import { existsSync } from "node:fs";
import { databaseUser } from "../../cells/drivers/local/database-user.ts";
import { connectSupervisor, startSupervisor, type Supervisor } from "../../cells/drivers/local/supervisor/client.ts";
import type { FleetFile, DemoFile } from "../../common/contracts/home.ts";
import type { SignInCode } from "../../common/contracts/control-plane.ts";
import { releaseName } from "../../common/ids.ts";
import { progress, seconds } from "../setup/progress.ts";
import { prepareStart, type Ingredients } from "../setup/start.ts";
import { ControlPlaneApi } from "./api.ts";
import type { StartOptions } from "./arguments.ts";
import { bringCells } from "./cells.ts";
import { buildDashboard, isDashboardBuilt } from "./dashboard.ts";
import { demoPath, ensureDemoTenants } from "./demo.ts";
import { emptyHome, readFleetFile, settleFleet } from "./home.ts";
import { Identity } from "./identity.ts";
import { feederProcess, type PlaneOptions } from "./plane.ts";
import { startPlane, startParts, waitForAll } from "./plane-up.ts";
import { describeApplication, findRelease, laterReleases, storeRelease, withBundle } from "./releases.ts";
import type { StartReport } from "./report.ts";

export interface FleetUp {
  readonly supervisor: Supervisor;
  readonly file: FleetFile;
  readonly ingredients: Ingredients;
  readonly report: StartReport;
}

/**
 * Brings a whole fleet up, or what is missing of it: what runs is adopted, what is there is kept. Says each step and how long it took.
 * @throws SetupError, CellplaneError and ApiError, each with a message for people.
 */
export async function bringUp(options: StartOptions): Promise<FleetUp> {
  const began = performance.now();
  progress.say("Looking for what a fleet needs:");
  const ingredients = await prepareStart();
  progress.say(`Starting the fleet in ${options.home}:`);
  if (options.reset) await reset(options.home);
  const known = readFleetFile(options.home);
  const application = known === null ? await describeApplication(options.app) : known;
  const file = await settleFleet(options, ingredients.temporal, application);
  const identity = new Identity(options.home);
  const plane: PlaneOptions = { home: options.home, file, identity, temporal: ingredients.temporal, logLevel: "info" };
  const user = await databaseUser();

  const supervisor = await step("supervisor", () => startSupervisor(options.home));
  const api = new ControlPlaneApi(file.urls.controlPlane, identity.operatorToken());
  await step("control plane", async () => {
    await startPlane(plane, supervisor, ingredients, user);
    await startParts(plane, supervisor, api);
  });
  await step(`${file.cells.length} cells`, () => bringCells({ plane, supervisor, api, ingredients, user }));
  await step("router and workers", () =>
    waitForAll(supervisor, [
      "router",
      "aggregator",
      "worker",
      ...(ingredients.temporal.kind === "program" ? ["temporal"] : []),
    ]),
  );
  const demo: DemoFile = file.demo
    ? await step("demo tenants", () => bringDemo(plane, supervisor, api))
    : { tenants: [] };
  progress.say(`  all healthy after ${seconds(began)}`);
  await storeLaterReleases(options.home, file, api);
  if (!isDashboardBuilt()) await step("dashboard", buildDashboard);
  const { code } = await api.call<SignInCode>("POST", "/v1/sign-in-codes");
  return { supervisor, file, ingredients, report: reportOf(options, file, demo, code, began) };
}

function step<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  return progress.step(what, work, () => "up");
}

/** Stops what runs in the home and empties it. */
async function reset(home: string): Promise<void> {
  if (!existsSync(home)) return;
  await step("reset", async () => {
    await (await connectSupervisor(home))?.shutdown();
    emptyHome(home);
  });
}

async function bringDemo(plane: PlaneOptions, supervisor: Supervisor, api: ControlPlaneApi): Promise<DemoFile> {
  const demo = await ensureDemoTenants(plane.home, api);
  await supervisor.put(feederProcess(plane, demoPath(plane.home)));
  await waitForAll(supervisor, ["feeder"]);
  return demo;
}

/** The reference application's next releases, for the demo's rollouts; an application of somebody's has its own. */
async function storeLaterReleases(home: string, file: FleetFile, api: ControlPlaneApi): Promise<void> {
  if (file.applicationDirectory !== null) return;
  for (const source of laterReleases) {
    const name = releaseName(`${file.application}@${source.version}`);
    if ((await findRelease(api, name)) !== null) continue;
    await progress.step(
      `release ${name}`,
      () => withBundle(home, source, (bundle) => storeRelease(api, bundle)),
      () => "bundled and stored",
    );
  }
}

function reportOf(options: StartOptions, file: FleetFile, demo: DemoFile, code: string, began: number): StartReport {
  return {
    home: options.home,
    dashboard: file.urls.dashboard,
    signIn: { code, link: `${file.urls.dashboard}#code=${code}` },
    router: file.urls.router,
    controlPlane: file.urls.controlPlane,
    temporal: file.urls.temporal,
    cells: file.cells.map(({ id, region }) => ({ id, region })),
    demoTenants: demo.tenants.map(({ slug, cell }) => ({ slug, cell })),
    seconds: (performance.now() - began) / 1000,
  };
}
