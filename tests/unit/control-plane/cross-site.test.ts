import assert from "node:assert/strict";
import test from "node:test";
import { isCrossSite, type Provenance } from "../../../control-plane/auth/cross-site.ts";

const own: Provenance = {
  method: "POST",
  host: "127.0.0.1:8081",
  origin: "http://127.0.0.1:8081",
  customHeader: undefined,
};

const cases: [string, Partial<Provenance>, boolean][] = [
  ["our own page", {}, false],
  ["our own page behind TLS", { origin: "https://127.0.0.1:8081" }, false],
  ["another site", { origin: "http://evil.example" }, true],
  ["another port of the same host", { origin: "http://127.0.0.1:8080" }, true],
  ["a name that only begins like ours", { origin: "http://127.0.0.1:8081.evil.example" }, true],
  ["a sandboxed frame", { origin: "null" }, true],
  ["no Origin and nothing else", { origin: undefined }, true],
  ["no Origin, but a header that only our pages can set", { origin: undefined, customHeader: "1" }, false],
  ["another site cannot excuse itself by the header", { origin: "http://evil.example", customHeader: "1" }, true],
  ["no Host to compare with", { host: undefined }, true],
  ["reading changes nothing", { method: "GET", origin: "http://evil.example" }, false],
];

for (const [what, difference, expected] of cases) {
  test(`${what}: ${expected ? "refused" : "let through"}`, () => {
    assert.equal(isCrossSite({ ...own, ...difference }), expected);
  });
}
