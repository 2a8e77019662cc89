import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { queueAlarms } from "../../../cells/kit/queue/alarms.ts";
import { Company } from "../../../cells/kit/queue/company.ts";
import { nextFiring } from "../../../cells/kit/queue/cron.ts";
import { causesOf, errorChain } from "../../../cells/kit/queue/error-chain.ts";

const iso = async (rhythm: Parameters<typeof nextFiring>[0], after: string): Promise<string> =>
  (await nextFiring(rhythm, new Date(after))).toISOString();

test("a schedule fires at the first moment after now, whatever it missed", async () => {
  assert.equal(await iso({ everySeconds: 60 }, "2026-01-01T00:00:00Z"), "2026-01-01T00:01:00.000Z");
  assert.equal(await iso({ cron: "*/15 * * * *" }, "2026-01-01T00:00:00Z"), "2026-01-01T00:15:00.000Z");
  assert.equal(await iso({ cron: "0 9 * * mon" }, "2026-01-01T00:00:00Z"), "2026-01-05T09:00:00.000Z");
});

test("a cron expression is read in its time zone, over the change of the clocks too", async () => {
  const nightly = { cron: "30 3 * * *", timeZone: "Europe/Berlin" };
  assert.equal(await iso(nightly, "2026-03-27T12:00:00Z"), "2026-03-28T02:30:00.000Z");
  assert.equal(await iso(nightly, "2026-03-28T12:00:00Z"), "2026-03-29T01:30:00.000Z");
});

test("what is no rhythm is refused with what one looks like", async () => {
  const after = new Date(0);
  for (const rhythm of [
    { everySeconds: 1 },
    { everySeconds: Number.NaN },
    { everySeconds: 1e9 },
    { cron: "* * * * * *" },
    { cron: "@secondly" },
    { cron: "61 * * * *" },
    { cron: "0 0 31 2 *" },
    { cron: "0 0 * * *", timeZone: "Atlantis/Port" },
    { cron: `${"0,".repeat(150)}0 * * * *` },
  ])
    await assert.rejects(nextFiring(rhythm, after), TypeError, JSON.stringify(rhythm).slice(0, 60));
});

test("an error is kept with its causes: bounded, and nothing that jsonb cannot hold", () => {
  const circle = new Error("a\u0000b\ud800");
  circle.cause = circle;
  assert.deepEqual(
    errorChain(circle).map(({ message }) => message),
    ["ab\ufffd"],
  );
  let deep: Error = new Error("bottom");
  for (let depth = 0; depth < 50; depth++) deep = new Error("x".repeat(10_000), { cause: deep });
  const chain = errorChain(deep);
  assert.equal(chain.length, 8);
  assert.ok(JSON.stringify(chain).length < 40_000);
  assert.deepEqual(errorChain("text")[0], { name: "string", message: "text" });
  assert.deepEqual(errorChain(Object.create(null))[0], { name: "object", message: "a value that cannot be shown" });
  const both = errorChain(new AggregateError([new TypeError("first"), new Error("second")], "all failed"));
  assert.deepEqual(
    both.map(({ message }) => message),
    ["all failed", "first"],
  );
  assert.equal(causesOf(circle).length, 1);
  assert.equal(causesOf(deep).length, 8);
});

test("a suspect runs with nobody beside it, and nobody is overtaken", async () => {
  const company = new Company();
  const events: string[] = [];
  const ends = new Map<string, () => void>();
  const job = (name: string, alone: boolean): Promise<void> =>
    company.join(alone, async () => {
      events.push(`${name} begins`);
      const gate = Promise.withResolvers<void>();
      ends.set(name, gate.resolve);
      await gate.promise;
      events.push(`${name} ends`);
    });
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    await setImmediate();
  };
  const all = [
    job("a", false),
    job("b", false),
    job("suspect", true),
    job("c", false),
    job("second", true),
    job("d", false),
  ];
  await end("a");
  await end("b");
  await end("suspect");
  await end("c");
  await end("second");
  await end("d");
  await Promise.all(all);
  assert.deepEqual(events, [
    "a begins",
    "b begins",
    "a ends",
    "b ends",
    "suspect begins",
    "suspect ends",
    "c begins",
    "c ends",
    "second begins",
    "second ends",
    "d begins",
    "d ends",
  ]);
});

test("a job that throws in company leaves it, and the next may begin", async () => {
  const company = new Company();
  await assert.rejects(
    company.join(true, async () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(await company.join(false, async () => 7), 7);
});

test("alarms stand for dead letters, a full outbox and a job that is late, not for a busy queue", () => {
  const calm = { waiting: 5_000, inFlight: 16, oldestSeconds: 59, dead: 0, full: 0 };
  assert.deepEqual(queueAlarms(calm), []);
  const codes = queueAlarms({ ...calm, oldestSeconds: 61, dead: 2, full: 1 }).map(({ code }) => code);
  assert.deepEqual(codes, ["outbox-full", "jobs-late", "dead-letters"]);
});
