import { join } from "node:path";
import type { DatabaseUser } from "../../cells/drivers/local/database-user.ts";
import { preparePostgres, type PostgresServer } from "../../cells/drivers/local/postgres.ts";
import type { Supervisor } from "../../cells/drivers/local/supervisor/client.ts";
import type { RegisterPart } from "../../common/contracts/control-plane.ts";
import type { Ingredients } from "../setup/start.ts";
import type { ControlPlaneApi } from "./api.ts";
import {
  aggregatorProcess,
  controlPlaneProcess,
  databaseProcess,
  planeDatabases,
  routerProcess,
  temporalProcess,
  workerProcess,
  type PlaneDatabase,
  type PlaneOptions,
} from "./plane.ts";
import { mkdirSync } from "node:fs";

/** A part may take this long to be healthy on a busy machine. */
const healthyMs = 60_000;

/** Puts the plane's processes under the supervisor; each starts when what it comes after is up. */
export async function startPlane(
  options: PlaneOptions,
  supervisor: Supervisor,
  ingredients: Ingredients,
  user: DatabaseUser | null,
): Promise<void> {
  await Promise.all(
    planeDatabases.map(async (database) => {
      const server = databaseServer(options, database, ingredients, user);
      const password = options.identity.databasePassword(database);
      await preparePostgres(server, {
        superuserPassword: options.identity.superuserPassword(database),
        roles: [{ name: database, password }],
        databases: [{ name: database, owner: database, guests: [] }],
      });
      await supervisor.put(databaseProcess(options, database, server));
    }),
  );
  const temporal = temporalProcess(options);
  if (temporal === null) await supervisor.remove("temporal");
  else {
    mkdirSync(temporal.cwd, { recursive: true, mode: 0o700 });
    await supervisor.put(temporal);
  }
  await supervisor.put(controlPlaneProcess(options));
}

function databaseServer(
  options: PlaneOptions,
  database: PlaneDatabase,
  ingredients: Ingredients,
  user: DatabaseUser | null,
): PostgresServer {
  return { binaries: ingredients.postgres, user, directory: join(options.home, database, "data") };
}

/** Waits for the control plane, introduces the parts to it, and starts those that live by its document. */
export async function startParts(options: PlaneOptions, supervisor: Supervisor, api: ControlPlaneApi): Promise<void> {
  await supervisor.waitHealthy("control-plane", healthyMs);
  const { file, identity } = options;
  const parts: readonly [string, RegisterPart][] = [
    ["router-1", { role: "router", keys: [identity.key("router-1").spki], url: file.urls.routerAdmin }],
    ["worker", { role: "worker", keys: [identity.key("worker").spki], url: file.urls.worker }],
    ["aggregator", { role: "aggregator", keys: [identity.key("aggregator").spki], url: file.urls.aggregator }],
  ];
  for (const [id, part] of parts) await api.call("PUT", `/v1/parts/${id}`, part);
  await supervisor.put(routerProcess(options));
  await supervisor.put(aggregatorProcess(options));
  await supervisor.put(workerProcess(options));
}

/**
 * Waits until these are healthy. What a person stopped stays down and is not waited for.
 * @throws process-unhealthy naming the one that is not.
 */
export async function waitForAll(supervisor: Supervisor, names: readonly string[]): Promise<void> {
  const held = new Set((await supervisor.list()).filter((process) => process.held).map(({ name }) => name));
  await Promise.all(names.filter((name) => !held.has(name)).map((name) => supervisor.waitHealthy(name, healthyMs)));
}
