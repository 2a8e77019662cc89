import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { cellId, operationId } from "../../../common/ids.ts";
import { temporalNames, type CommandInput } from "../../../common/contracts/rollout.ts";
import { uuidv7 } from "../../../common/uuid.ts";
import { command, Stage } from "./environment.ts";
import { FakeFleet } from "./fake-fleet.ts";
import { packHistory } from "./history.ts";

// Writes the histories that replay.test.ts replays. Run it by hand when workflows are changed on purpose in a way that running
// ones may not survive; the histories of before then stay beside the new ones until none of their kind can still run.
const folder = fileURLToPath(new URL("../histories/", import.meta.url));
const version = process.argv[2] ?? "1";

const stage = await Stage.open();
mkdirSync(folder, { recursive: true });
for (const [name, release, behaviour] of [
  ["completed", "pulse@2", {}],
  ["rolled-back", "pulse@3-bad", { failsEvery: 4 }],
] as const) {
  const fleet = new FakeFleet(2, "pulse@1");
  fleet.behaviours[release] = behaviour;
  await stage.withWorker(fleet, async (queue) => {
    const handle = await stage.start(queue, fleet, { timeScale: 1 / 600 }, release);
    const { id } = await handle.result();
    write(`rollout-${name}`, await handle.fetchHistory());
    const direction = name === "completed" ? "forward" : "back";
    const child = temporalNames.cellDeployId(operationId(id), "cell-1", direction);
    write(`cell-${direction}`, await stage.environment.client.workflow.getHandle(child).fetchHistory());
  });
}

// Approved, held back by a freeze, joined by a cell; a later wave goes back alone, is decided on by nobody, and then all goes back.
const fleet = new FakeFleet(2, "pulse@1");
await stage.withWorker(fleet, async (queue) => {
  const now = await stage.environment.currentTimeMs();
  const since = new Date(now).toISOString();
  const handle = await stage.start(queue, fleet, {
    timeScale: 1 / 600,
    approvals: { required: 1, of: [], waves: [1], expiresSeconds: 3_600 },
    freezes: [{ name: "noon", since, until: new Date(now + 120_000).toISOString() }],
  });
  const asked = await stage.until(handle, ({ waitingFor }) => waitingFor === "approval", 100);
  await command(handle, "approve", { planHash: asked.plan.hash });
  await stage.until(handle, ({ state }) => state === "baking");
  fleet.addCell("cell-9", "pulse@1");
  fleet.badAt = "cell-9";
  const { state, waves } = await handle.result();
  if (state !== "rolled-back" || waves.length !== 3) throw new Error(`it ended ${state} after ${waves.length} waves`);
  write("rollout-wave-by-wave", await handle.fetchHistory());
});

// Commanded: stopped with the line, a cell left out and taken up again, a bake made longer and ended; another operation in a cell.
const commanded = new FakeFleet(3, "pulse@1");
await stage.withWorker(commanded, async (queue) => {
  const second = cellId("cell-2");
  commanded.claims.set(second, operationId(uuidv7()));
  const handle = await stage.start(queue, commanded, { timeScale: 1 / 60, canaryCells: 2 });
  await stage.until(handle, ({ waitingFor }) => waitingFor === "moves", 100);
  commanded.claims.delete(second);
  let seen = await stage.until(handle, ({ state }) => state === "baking", 500);
  const give = async (name: CommandInput["command"], more: Partial<CommandInput>) => {
    seen = await command(handle, name, { planHash: seen.plan.hash, wave: seen.wave, revision: seen.revision, ...more });
  };
  await give("extend-bake", { seconds: 60 });
  await give("skip-cell", { cell: cellId("cell-3") });
  commanded.line = { stopped: true, by: "ben", reason: "a look", since: new Date(0).toISOString() };
  await give("stop-the-line", {});
  await give("end-bake", {});
  await stage.until(handle, ({ waves }) => waves[0]?.state === "passed");
  const { state } = await handle.result();
  if (state !== "completed") throw new Error(`it ended ${state}`);
  write("rollout-commanded", await handle.fetchHistory());
});
await stage.close();

function write(name: string, history: Parameters<typeof packHistory>[0]): void {
  writeFileSync(`${folder}${name}-${version}.json.gz`, packHistory(history));
}
