import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type CalendarWindow, weekdays, type WeeklyWindow } from "../../../common/contracts/calendar.ts";
import { isWithin, opensAt, unknownTimeZone } from "../../../control-plane/rollout/calendar.ts";

const at = (text: string): number => Date.parse(text);
const weekly = (changes: Partial<WeeklyWindow> = {}): WeeklyWindow => ({
  name: "nights",
  timeZone: "Europe/Berlin",
  days: [],
  from: "22:00",
  to: "06:00",
  ...changes,
});

describe("a calendar window", () => {
  const friday = weekly({ days: ["fri"] });
  // 2026-11-20 is a Friday; Berlin is an hour ahead of UTC in winter, two in summer.
  const cases: readonly [name: string, window: CalendarWindow, moment: string, within: boolean][] = [
    ["holds from its first minute", friday, "2026-11-20T21:00:00Z", true],
    ["not before", friday, "2026-11-20T20:59:59Z", false],
    ["holds over midnight, on the day after", friday, "2026-11-21T04:59:59Z", true],
    ["not from its last minute on", friday, "2026-11-21T05:00:00Z", false],
    ["not on another evening", friday, "2026-11-21T22:00:00Z", false],
    ["goes by the place's time, in summer too", friday, "2026-07-17T20:00:00Z", true],
    ["and elsewhere by that place's", weekly({ days: ["fri"], timeZone: "Asia/Tokyo" }), "2026-11-20T13:30:00Z", true],
    ["without days it is every day", weekly(), "2026-11-18T23:00:00Z", true],
    [
      "from and to alike is the whole day",
      weekly({ from: "00:00", to: "00:00", days: ["wed"] }),
      "2026-11-18T12:00:00Z",
      true,
    ],
    [
      "a dated one holds once",
      { name: "launch", since: "2026-11-26T00:00:00Z", until: "2026-12-01T00:00:00Z" },
      "2026-11-30T23:59:59Z",
      true,
    ],
    [
      "and no more",
      { name: "launch", since: "2026-11-26T00:00:00Z", until: "2026-12-01T00:00:00Z" },
      "2026-12-01T00:00:00Z",
      false,
    ],
  ];
  for (const [name, window, moment, within] of cases)
    it(name, () => assert.equal(isWithin(window, at(moment)), within));

  it("that a change of the clock leaves out begins as much later", () => {
    // On 2026-03-29 Berlin's clocks go from 02:00 to 03:00.
    const gap = weekly({ from: "02:30", to: "03:30" });
    assert.equal(isWithin(gap, at("2026-03-29T01:29:00Z")), false);
    assert.equal(isWithin(gap, at("2026-03-29T01:30:00Z")), false, "03:30 has come by then");
    assert.equal(isWithin(gap, at("2026-03-30T00:30:00Z")), true, "02:30 of the next day");
  });

  it("of a place that is not known is told", () => {
    assert.equal(unknownTimeZone([weekly(), weekly({ timeZone: "Mars/Olympus" })]), "Mars/Olympus");
    assert.equal(unknownTimeZone([weekly()]), null);
  });
});

describe("when a rollout may begin something", () => {
  const noon = at("2026-11-20T12:00:00Z");
  const nights = weekly();
  const cases: readonly [
    name: string,
    freezes: CalendarWindow[],
    maintenance: CalendarWindow[],
    opens: string | null,
  ][] = [
    ["now, if nothing says otherwise", [], [], "2026-11-20T12:00:00Z"],
    ["when the freeze ends", [weekly({ from: "12:00", to: "14:00" })], [], "2026-11-20T13:00:00Z"],
    ["when the cell's window begins", [], [nights], "2026-11-20T21:00:00Z"],
    ["now, within the cell's window", [], [weekly({ from: "12:00", to: "14:00" })], "2026-11-20T12:00:00Z"],
    [
      "when the freeze ends within the window",
      [weekly({ from: "20:00", to: "23:00" })],
      [nights],
      "2026-11-20T22:00:00Z",
    ],
    [
      "in the next window, if a freeze covers this one",
      [weekly({ days: ["fri"], from: "12:00", to: "08:00" })],
      [nights],
      "2026-11-21T21:00:00Z",
    ],
    ["never, if every day is frozen", [weekly({ from: "00:00", to: "00:00" })], [], null],
    ["never, if a freeze covers every window", [weekly({ from: "21:00", to: "07:00" })], [nights], null],
    [
      "when the last of several freezes in a row ends",
      [weekly({ from: "12:00", to: "14:00" }), weekly({ from: "14:00", to: "15:30" })],
      [],
      "2026-11-20T14:30:00Z",
    ],
  ];
  for (const [name, freezes, maintenance, opens] of cases) {
    it(name, () => {
      const found = opensAt(noon, freezes, maintenance);
      assert.equal(found === null ? null : new Date(found).toISOString().replace(".000", ""), opens);
    });
  }

  const time = fc.integer({ min: 0, max: 1439 }).map((minute) => {
    const two = (value: number): string => String(value).padStart(2, "0");
    return `${two(Math.floor(minute / 60))}:${two(minute % 60)}`;
  });
  const window = fc.record({
    name: fc.constant("any"),
    timeZone: fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"),
    days: fc.uniqueArray(fc.constantFrom(...weekdays), { maxLength: 3 }),
    from: time,
    to: time,
  });

  it("is never earlier than asked, never within a freeze and always within a window of the cell", () => {
    fc.assert(
      fc.property(
        fc.array(window, { maxLength: 2 }),
        fc.array(window, { maxLength: 2 }),
        fc.integer({ min: 0, max: 400 * 24 * 60 }),
        (freezes, maintenance, minute) => {
          const now = at("2026-01-01T00:00:00Z") + minute * 60_000;
          const opens = opensAt(now, freezes, maintenance);
          if (opens === null) return;
          assert.ok(opens >= now);
          assert.ok(!freezes.some((freeze) => isWithin(freeze, opens)));
          assert.ok(maintenance.length === 0 || maintenance.some((open) => isWithin(open, opens)));
          assert.equal(opensAt(opens, freezes, maintenance), opens, "and then it is now");
        },
      ),
      { numRuns: 200 },
    );
  });
});
