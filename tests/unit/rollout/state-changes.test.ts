import assert from "node:assert/strict";
import { test } from "node:test";
import { timelineOf } from "../../../cli/actions/rollout/timeline.ts";
import type { HistoryEntry, RolloutState, Standing } from "../../../common/contracts/rollout.ts";
import { stateChanges } from "../../../control-plane/rollout/state-changes.ts";

const standing = (state: RolloutState): Standing => ({ state, waitingFor: null, paused: false, stopped: false });
const at = (second: number): string => new Date(second * 1_000).toISOString();
const entry = (second: number, event: string, state?: RolloutState): HistoryEntry => ({
  at: at(second),
  event,
  wave: null,
  cell: null,
  actor: "rollout",
  reason: null,
  ...(state === undefined ? {} : { standing: standing(state) }),
});

const history = [
  entry(0, "planned", "planned"),
  entry(1, "began", "deploying"),
  entry(2, "cell-deployed"),
  entry(3, "wave-deployed", "verifying"),
  entry(4, "wave-verified", "baking"),
];

test("each change of state is told, also of those between two records, and none twice", () => {
  const told = (entries: number, state: RolloutState) =>
    stateChanges({ entries, standing: standing(state) }, { history, ...standing("baking") }).map(
      ({ sequence, to }) => `${sequence} ${to.state}`,
    );
  assert.deepEqual(told(0, "planned"), ["0 planned", "1 deploying", "3 verifying", "4 baking"]);
  assert.deepEqual(told(2, "deploying"), ["3 verifying", "4 baking"]);
  assert.deepEqual(told(5, "baking"), []);
});

test("a rollout whose history does not say its states tells the last one", () => {
  const old = history.map(({ standing: _standing, ...rest }) => rest);
  const told = stateChanges({ entries: 2, standing: standing("deploying") }, { history: old, ...standing("baking") });
  assert.deepEqual(
    told.map(({ sequence, to }) => `${sequence} ${to.state}`),
    ["4 baking"],
  );
  assert.deepEqual(
    stateChanges({ entries: 2, standing: standing("baking") }, { history: old, ...standing("baking") }),
    [],
  );
});

test("the timeline says what led to each state, when, and how long it lasted", () => {
  assert.deepEqual(
    timelineOf(history).map(({ state, event, afterSeconds, lastedSeconds }) => [
      state,
      event,
      afterSeconds,
      lastedSeconds,
    ]),
    [
      ["planned", "planned", 0, 1],
      ["deploying", "began", 1, 2],
      ["verifying", "wave-deployed", 3, 1],
      ["baking", "wave-verified", 4, null],
    ],
  );
  assert.deepEqual(timelineOf([]), []);
});
