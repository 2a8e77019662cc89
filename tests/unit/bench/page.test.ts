import assert from "node:assert/strict";
import { test } from "node:test";
import { headingOf, withSection } from "../../../bench/runner/page.ts";

const headings = ["P7 · kit", "P1 · router", "soak"];
const kit = "## P7 · kit\n\nwrites 1.00\n";
const router = "## P1 · router\n\n| ratio |\n";

test("the page has its head, and the sections in the order of their benchmarks", () => {
  const page = withSection(withSection("", router, headings), kit, headings);
  assert.match(page, /^# Benchmarks\n/);
  assert.ok(page.indexOf("P7 · kit") < page.indexOf("P1 · router"));
  assert.ok(page.endsWith("| ratio |\n"));
});

test("what is measured anew stands in the place of what was measured before; the others stay", () => {
  const before = withSection(withSection("", router, headings), kit, headings);
  const after = withSection(before, "## P7 · kit\n\nwrites 1.10\n", headings);
  assert.equal(after, before.replace("writes 1.00", "writes 1.10"));
});

test("a benchmark that is no more leaves the page", () => {
  const before = withSection(withSection("", router, headings), kit, headings);
  assert.ok(!withSection(before, router, ["P1 · router"]).includes("kit"));
});

test("a heading is the first line without its marks", () => {
  assert.equal(headingOf(kit), "P7 · kit");
});
