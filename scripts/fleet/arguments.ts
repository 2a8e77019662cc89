import { resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";

/** What `npm start` was asked for. */
export interface StartOptions {
  /** Absolute path of the folder that keeps all state. */
  readonly home: string;
  /** Null: as many as the home has, or the default. */
  readonly cells: number | null;
  /** Absolute path of the application's folder; null: the one the home has, or the reference application. */
  readonly app: string | null;
  readonly reset: boolean;
  readonly demo: boolean;
  readonly detach: boolean;
  readonly json: boolean;
}

export class UsageError extends Error {}

// Each cell is five processes; a machine with two cores is long full at this number.
const maxCells = 16;

export const usage = `npm start -- [options]

  --home DIR    keep all state in DIR (default: $CELLPLANE_HOME, else .cellplane in the clone)
  --cells N     how many cells, 1 to ${maxCells} (default 3)
  --app DIR     run the application in DIR instead of the reference application
  --reset       throw away what the home holds and begin anew
  --no-demo     no demo tenants, no events fed
  --detach      return when all is healthy; \`npx cellplane stop\` ends it
  --json        one JSON document on stdout, everything else on stderr
  --help        this text`;

/**
 * Reads the command line. Relative folders are taken from where the caller stands, not from the clone.
 * @returns null where help was asked for.
 * @throws UsageError
 */
export function parseStartArguments(args: readonly string[], root: string): StartOptions | null {
  const values = parse(args);
  if (values.help === true) return null;
  const from = process.env["INIT_CWD"] ?? process.cwd();
  const home = values.home ?? process.env["CELLPLANE_HOME"];
  return {
    home: home === undefined || home === "" ? resolve(root, ".cellplane") : resolve(from, home),
    cells: values.cells === undefined ? null : countOf(values.cells),
    app: values.app === undefined ? null : resolve(from, values.app),
    reset: values.reset === true,
    demo: values["no-demo"] !== true,
    detach: values.detach === true,
    json: values.json === true,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        home: { type: "string" },
        cells: { type: "string" },
        app: { type: "string" },
        reset: { type: "boolean" },
        "no-demo": { type: "boolean" },
        detach: { type: "boolean" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (cause) {
    throw new UsageError((cause as Error).message, { cause });
  }
}

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > maxCells) {
    throw new UsageError(`--cells takes a number from 1 to ${maxCells}, not ${JSON.stringify(text)}`);
  }
  return count;
}
