import { describe } from "node:test";
import { backups } from "./backups.ts";
import { claims } from "./claims.ts";
import { deaths } from "./deaths.ts";
import { aCellsLife } from "./life.ts";
import { requests } from "./requests.ts";
import type { Capabilities, Open } from "./stage.ts";

// What a cell driver must do, whatever its cells are made of. A driver passes by a test file of its own that calls `conformance` with a way to open it;
// the suite needs nothing of it but the interface, and, where it can, the hooks of `Stage`.

/** Registers the suite's tests. Those of one `describe` are one story: each begins where the one before ended. */
export function conformance(name: string, open: Open, capabilities: Capabilities): void {
  describe(`the ${name} driver`, () => aCellsLife(open));
  describe(`the ${name} driver and claims`, () => claims(open));
  describe(`the ${name} driver, dying and called again`, () => deaths(open));
  describe(`the ${name} driver and backups`, () => backups(open));
  if (capabilities.serves) describe(`the ${name} driver and requests`, () => requests(open, capabilities));
}
