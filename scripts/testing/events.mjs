// A reporter of node:test that writes one JSON line an event: what the runner counts and prints.
import { inspect } from "node:util";

// A diff of two large documents is enough to see what is wrong long before this.
const textLimit = 8_000;
// Diagnostics are the tally at the end, and what went wrong outside of any test.
const isTally = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/;

export default async function* events(source) {
  for await (const { type, data } of source) {
    // Not test:start, which is held back until the tests before it have been reported.
    if (type === "test:dequeue") yield line({ type: "start", name: data.name, nesting: data.nesting });
    if (type === "test:pass") yield line({ type: "pass", ...about(data) });
    if (type === "test:fail") yield line({ type: "fail", ...about(data), text: textOf(data.details.error) });
    if (type === "test:diagnostic" && !isTally.test(data.message)) yield line({ type: "note", text: data.message });
    if (type === "test:plan" && data.nesting === 0) yield line({ type: "end" });
  }
}

function about(data) {
  return {
    name: data.name,
    nesting: data.nesting,
    tookMs: data.details.duration_ms,
    suite: data.details.type === "suite",
    unrun: data.skip !== undefined || data.todo !== undefined,
    parent: data.details.error?.failureType === "subtestsFailed",
  };
}

function textOf(error) {
  return inspect(error?.cause ?? error, { depth: 6 }).slice(0, textLimit);
}

function line(event) {
  return `${JSON.stringify(event)}\n`;
}
