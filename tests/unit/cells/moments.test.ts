import assert from "node:assert/strict";
import { test } from "node:test";
import { eventMoment, momentOf, nextWholeHour, statsRange, wholeHour } from "../../../cells/pulse/moments.ts";

const now = new Date("2026-05-05T10:20:30.400Z");

test("a moment is read whatever its offset, and one that does not exist is refused", () => {
  assert.equal(momentOf("2026-01-31T23:30:00-02:00").toISOString(), "2026-02-01T01:30:00.000Z");
  for (const text of ["2026-13-01T00:00:00Z", "2026-01-01T24:30:00Z", "1969-12-31T23:59:59Z", "yesterday"]) {
    assert.throws(() => momentOf(text), { code: "moment-not-real" }, text);
  }
});

test("an event may lie a day ahead, not more", () => {
  assert.equal(eventMoment("2026-05-06T10:20:30.400Z", now).getTime(), now.getTime() + 86_400_000);
  assert.throws(() => eventMoment("2026-05-06T10:20:30.401Z", now), { code: "event-from-the-future" });
});

test("the default range is the last day by hour and includes this millisecond", () => {
  const { from, to, bucket } = statsRange({}, now);
  assert.deepEqual([to.getTime() - now.getTime(), to.getTime() - from.getTime(), bucket], [1, 86_400_000, "hour"]);
});

test("an empty range and one of too many buckets are refused", () => {
  const range = (from: string, to: string, bucket: "minute" | "hour" | "day") => () =>
    statsRange({ from, to, bucket }, now);
  assert.throws(range("2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", "hour"), { code: "range-reversed" });
  assert.throws(range("2026-01-01T00:00:00Z", "2026-01-08T00:00:00Z", "minute"), { code: "too-many-buckets" });
  assert.equal(range("2026-01-01T00:00:00Z", "2026-01-07T22:40:00Z", "minute")().bucket, "minute");
});

test("whole hours are found on both sides of a moment", () => {
  assert.deepEqual(
    [wholeHour(now).toISOString(), nextWholeHour(now).toISOString()],
    ["2026-05-05T10:00:00.000Z", "2026-05-05T11:00:00.000Z"],
  );
  const border = new Date("2026-05-05T10:00:00Z");
  assert.deepEqual([wholeHour(border), nextWholeHour(border)], [border, border]);
});
