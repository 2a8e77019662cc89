import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { LeaseCell } from "./lease-bed.ts";
import { LeaseMover } from "./lease-mover.ts";
import { LeaseWorld } from "./lease-world.ts";

// Random interleavings of everything that may happen to leases, on the kit's own code and a real PostgreSQL: after each action the invariants must hold.
// A failure prints fast-check's seed and path; to see it again, give both to `fc.assert` below.
const sequences = 60;
const longest = 60;
/** A machine that is too busy for all of them tries fewer; a failure that is being made smaller is told as small as it is by then. */
const mostMs = 150_000;
/** From nothing to a destination that is ready takes eight, one more for each that is refused. */
const stepsToReady = 12;
/** Tries of moves that live at once; the older ones of an operation are zombies. */
const movers = 2;

let postgres: TestPostgres;
let cells: LeaseCell[];

before(async () => {
  postgres = await startPostgres();
  // A write that meets one that thaws waits for its end, and here that may be long in coming.
  cells = await LeaseCell.make(postgres, ["cell-1", "cell-2"], 500);
});
after(async () => {
  for (const cell of cells) await cell.stop();
  await postgres.stop();
});

const cell = fc.nat({ max: 1 });
/** Mostly the one, so that tries of one move meet; the other is there to be left alone (I8). */
const tenant = fc.constantFrom(0, 0, 0, 1);
const which = fc.nat({ max: movers - 1 });
const kind = <Kind extends string>(name: Kind) => fc.constant(name);

const action = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      kind: kind("step"),
      which,
      tenant,
      times: fc.integer({ min: 1, max: 4 }),
      answerLost: fc.nat({ max: 9 }).map((one) => one === 0),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: kind("begin"), which, tenant }) },
  {
    weight: 10,
    arbitrary: fc.record({ kind: kind("write"), cell, tenant, epoch: fc.constantFrom(null, null, null, 1, 2, 3) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind("open"), cell, tenant }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("go-on"), which: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("deadlines"), cell, sweep: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: kind("bring"), cell, record: fc.integer({ min: -1, max: 5 }), unaware: fc.boolean() }),
  },
  // Two ways to the same end that steps alone hardly ever take: a record meets a destination that is not ready for this very release.
  { weight: 2, arbitrary: fc.record({ kind: kind("release-too-early"), which, tenant }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("take-again"), which, tenant, activated: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("abort"), which }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("crash"), cell }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("back-up"), cell }) },
  { weight: 1, arbitrary: fc.record({ kind: kind("restore"), cell }) },
  { weight: 2, arbitrary: fc.record({ kind: kind("confirm"), cell }) },
);
type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;

/** What happened in all sequences together, so that a test that does nothing is seen. */
const seen = { writes: 0, moves: 0, restores: 0 };

class Stage {
  readonly #world: LeaseWorld;
  readonly #movers: (LeaseMover | undefined)[] = Array.from({ length: movers }, () => undefined);

  constructor(world: LeaseWorld) {
    this.#world = world;
  }

  async act(action: Action): Promise<void> {
    const world = this.#world;
    switch (action.kind) {
      case "step":
        return this.#step(action.which, action.tenant, action.times, action.answerLost);
      case "begin":
        return this.#begin(action.which, action.tenant);
      case "write":
        return world.write(world.cell(action.cell), world.tenant(action.tenant), action.epoch);
      case "open":
        return world.openWrite(world.cell(action.cell), world.tenant(action.tenant));
      case "go-on":
        return world.goOn(action.which);
      case "deadlines":
        return world.passDeadlines(world.cell(action.cell), action.sweep);
      case "bring":
        return world.bring(world.cell(action.cell), action.record, action.unaware);
      case "release-too-early":
        return (await this.#readied(action.which, action.tenant))?.releaseTooEarly();
      case "take-again":
        return this.#takeAgain(action.which, action.tenant, action.activated);
      case "abort":
        return this.#movers[action.which]?.abort();
      case "crash":
        return world.cell(action.cell).crash();
      case "back-up":
        return world.backUp(world.cell(action.cell));
      case "restore":
        return world.restore(world.cell(action.cell));
      case "confirm":
        return world.confirm(world.cell(action.cell));
      default:
        return action satisfies never;
    }
  }

  /** Some steps of one try; where none is under way, one begins. */
  async #step(place: number, index: number, times: number, answerLost: boolean): Promise<void> {
    if (this.#movers[place]?.over !== false) await this.#begin(place, index);
    for (let left = times; left > 0; left--) {
      await this.#movers[place]?.step(answerLost && left === 1);
      await this.#world.check();
    }
  }

  /** A try whose destination is ready; none where it did not come so far. */
  async #readied(place: number, index: number): Promise<LeaseMover | undefined> {
    for (let left = stepsToReady; left > 0; left--) {
      if (this.#movers[place]?.ready === true) return this.#movers[place];
      await this.#step(place, index, 1, false);
    }
    return undefined;
  }

  /** A destination is backed up when it is ready, given the tenant, put back to then, and brought the record once more. */
  async #takeAgain(place: number, index: number, activated: boolean): Promise<void> {
    const mover = await this.#readied(place, index);
    if (mover === undefined) return;
    const { destination } = mover;
    await this.#world.backUp(destination);
    await this.#step(place, index, activated ? 2 : 1, false);
    await this.#world.restore(destination);
    await this.#world.bring(destination, -1, true);
  }

  /** The next try of the tenant's move, or the first of a new one. A try that stood in this place is dead. */
  async #begin(place: number, index: number): Promise<void> {
    const operation = await this.#world.operationOn(this.#world.tenant(index));
    if (operation !== undefined) this.#movers[place] = new LeaseMover(this.#world, operation);
  }
}

test("I1 to I5 and I8 hold through any interleaving of writes, moves, zombies, deadlines, crashes and restores", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: longest, size: "max" }), async (actions) => {
      const world = await LeaseWorld.begin(cells, 2);
      const stage = new Stage(world);
      try {
        for (const one of actions) {
          await stage.act(one);
          await world.check();
        }
      } finally {
        await world.settle();
      }
      await world.check();
      seen.writes += world.acknowledged;
      seen.moves += world.moves;
      seen.restores += world.restores;
    }),
    { numRuns: sequences, plugins: [fc.interruptAfterTimeLimit(mostMs)] },
  );
  // Random, but far from its bounds.
  assert.ok(seen.writes > 0 && seen.moves > 0, JSON.stringify(seen));
});
