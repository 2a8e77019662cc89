import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LivenessWatch, type Silence, type Watched } from "../../../cells/drivers/local/supervisor/liveness.ts";
import type { Clock } from "../../../common/clock.ts";
import { createLog } from "../../../common/log.ts";

const silentMs = 60_000;
const roundMs = silentMs / 12;

/** Answers or not as the test says; a broken silence begins anew. */
class Played implements Watched {
  readonly spec: { readonly name: string };
  readonly broken: number[] = [];
  answers = true;
  /** Whether it goes on being silent when its silence was broken, as a database that hears no signal does. */
  deaf = false;
  silence: Silence | null = null;
  readonly #clock: Clock;
  readonly #everAnswered: boolean;

  constructor(name: string, clock: Clock, everAnswered = true) {
    this.spec = { name };
    this.#clock = clock;
    this.#everAnswered = everAnswered;
  }

  async listen(): Promise<void> {
    if (this.answers) this.silence = null;
    else {
      const { since = this.#clock.monotonic(), rounds = 0, tries = 0 } = this.silence ?? {};
      this.silence = { since, rounds: rounds + 1, everAnswered: this.#everAnswered, tries };
    }
  }

  async breakSilence(): Promise<void> {
    this.broken.push(this.#clock.monotonic());
    if (this.silence !== null && this.deaf) this.silence = { ...this.silence, tries: this.silence.tries + 1 };
    else this.silence = null;
  }
}

function stage(names: readonly string[], everAnswered = true) {
  let now = 0;
  const clock: Clock = { now: () => now, monotonic: () => now };
  const processes = names.map((name) => new Played(name, clock, everAnswered));
  const watch = new LivenessWatch({ processes: () => processes, silentMs, clock, log: createLog("test", "silent") });
  return {
    processes,
    /** Rounds at their time, over so many milliseconds. */
    async pass(ms: number): Promise<void> {
      for (const until = now + ms; now < until;) {
        now += roundMs;
        await watch.round(now);
      }
    },
    /** A round that the supervisor came to late by so much. */
    async late(ms: number): Promise<void> {
      const dueAt = now + roundMs;
      now = dueAt + ms;
      await watch.round(dueAt);
    },
  };
}

describe("the watch over living processes", () => {
  test("restarts one that was silent for a minute, and nobody who answers", async () => {
    const { processes, pass } = stage(["one", "two"]);
    const [one, two] = processes;
    assert.ok(one !== undefined && two !== undefined);
    one.answers = false;
    await pass(silentMs - roundMs);
    assert.deepEqual(one.broken, []);
    await pass(2 * roundMs);
    assert.equal(one.broken.length, 1);
    assert.deepEqual(two.broken, []);
  });

  test("takes one answer as an end of the silence", async () => {
    const { processes, pass } = stage(["one"]);
    const one = processes[0] ?? assert.fail("there is one");
    for (let turn = 0; turn < 4; turn++) {
      one.answers = false;
      await pass(silentMs - roundMs);
      one.answers = true;
      await pass(roundMs);
    }
    assert.deepEqual(one.broken, []);
  });

  test("never restarts two at once, however many are silent", async () => {
    const { processes, pass } = stage(["one", "two", "three", "four"]);
    for (const process of processes) process.answers = false;
    await pass(5 * silentMs);
    const moments = processes.flatMap(({ broken }) => broken).toSorted((a, b) => a - b);
    assert.ok(moments.length >= 4, `${moments.length} restarts`);
    for (const [index, moment] of moments.slice(1).entries())
      assert.ok(moment - (moments[index] ?? 0) >= silentMs / 2, "half the bound lies between two restarts");
    for (const { spec, broken } of processes) assert.ok(broken.length > 0, `${spec.name} came to its turn`);
  });

  test("one that does not end when asked keeps nobody else from being restarted", async () => {
    const { processes, pass } = stage(["deaf", "other"]);
    const [deaf, other] = processes;
    assert.ok(deaf !== undefined && other !== undefined);
    deaf.deaf = true;
    deaf.answers = false;
    await pass(3 * silentMs);
    assert.ok(deaf.broken.length > 1);
    other.answers = false;
    await pass(2 * silentMs);
    assert.ok(other.broken.length > 0);
  });

  test("counts no round to which the supervisor itself came late: the machine is short of breath", async () => {
    const { processes, late } = stage(["one"]);
    const one = processes[0] ?? assert.fail("there is one");
    one.answers = false;
    for (let turn = 0; turn < 100; turn++) await late(5_000);
    assert.deepEqual(one.broken, []);
  });

  test("gives one that never answered since its start five times as long", async () => {
    const { processes, pass } = stage(["one"], false);
    const one = processes[0] ?? assert.fail("there is one");
    one.answers = false;
    await pass(4 * silentMs);
    assert.deepEqual(one.broken, []);
    await pass(2 * silentMs);
    assert.ok(one.broken.length > 0);
  });
});
