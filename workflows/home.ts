import { readFileSync } from "node:fs";
import { join } from "node:path";
import Value from "typebox/value";
import { type CellPorts, FleetFile, homePaths } from "../common/contracts/home.ts";
import type { CellId } from "../common/ids.ts";

/**
 * The ports that a cell keeps for its whole life, from the home's own file, read anew each time: cells are added while we run.
 * @throws when the file is not there, is not what its contract says, or knows no such cell.
 */
export function cellPortsIn(home: string, cell: CellId): CellPorts {
  const path = join(home, homePaths.fleet);
  const file: unknown = JSON.parse(readFileSync(path, "utf8"));
  if (!Value.Check(FleetFile, file)) throw new TypeError(`${path} is no description of a fleet`);
  const found = file.cells.find(({ id }) => id === cell);
  if (found === undefined) throw new RangeError(`${path} gives no ports to ${cell}`);
  return found.ports;
}
