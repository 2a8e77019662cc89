import Type, { type TObject } from "typebox";
import pulse from "../../cells/pulse/app.ts";
import { root } from "../lib/bootstrap.mjs";
import { sourcesCalled } from "./sources.ts";

/** The process that reads the settings of a file, by the name under which the file exports their schema. */
const readers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "aggregator/config.ts": { AggregatorConfig: "aggregator (aggregator/main.ts)" },
  "cells/config.ts": {
    ApiConfig: "cell, API process (cells/api.ts)",
    WorkerConfig: "cell, queue worker (cells/worker.ts)",
    MigrateConfig: "cell, migration (cells/migrate.ts)",
  },
  "cells/drivers/local/config.ts": { Settings: "local cell driver: set-up, supervisor, command line" },
  "cells/drivers/local/supervisor/config.ts": { Settings: "supervisor (cells/drivers/local/supervisor/main.ts)" },
  "cli/config.ts": { Settings: "command line (npx cellplane)" },
  "control-plane/config.ts": { ConfigSchema: "control plane (control-plane/main.ts)" },
  "router/config.ts": { RouterConfig: "router (router/main.ts)" },
  "scripts/demo/config.ts": { FeederConfig: "the demo's feeder (scripts/demo/main.ts)" },
  "workflows/config.ts": { WorkerConfig: "workflow worker (workflows/main.ts)" },
};

/** What one process reads from its environment. */
export interface Settings {
  readonly reader: string;
  readonly path: string;
  readonly schema: TObject;
}

/**
 * Every part's settings.
 * @throws when a config.ts exports no schema, or one whose reader is not known here.
 */
export async function everySetting(): Promise<readonly Settings[]> {
  const found: Settings[] = [];
  for (const { path, exports } of await sourcesCalled("config.ts")) {
    // It defines what settings are, and holds none.
    if (path === "common/config.ts") continue;
    const schemas = Object.entries(exports).filter((entry): entry is [string, TObject] => Type.IsObject(entry[1]));
    if (schemas.length === 0) throw new Error(`${path} exports no schema of its settings`);
    for (const [name, schema] of schemas) {
      const reader = readers[path]?.[name];
      if (reader === undefined)
        throw new Error(`scripts/docs/environment.ts does not say who reads ${name} of ${path}`);
      found.push({ reader, path, schema });
    }
  }
  return [
    ...found,
    {
      reader: "Pulse, the reference application, in each process of a cell",
      path: "cells/pulse/settings.ts",
      schema: pulse.settings,
    },
  ];
}

const introduction = `# Made by \`npm run docs\` from the schemas in config.ts of each part. Change them, not this file.
#
# Every setting of every process, by the process that reads it. \`npm start\` sets them all itself; this is for whoever runs
# a part alone. Each process reads its own environment, and names repeat: take the section of the process you start.
#
#   NAME=            must be set
#   # NAME=value     may be set; the value is the default
#
# Any setting may come from a file instead: NAME_FILE=/path. Secrets have no value here and are printed masked.
`;

/** .env.example. */
export function environmentExample(all: readonly Settings[]): string {
  return [introduction, ...all.map(section)].join("\n");
}

function section({ reader, path, schema }: Settings): string {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties).map(([name, member]) =>
    setting(name, member as Member, required.has(name)),
  );
  return [`# ── ${reader} · ${path} ${"─".repeat(Math.max(3, 100 - reader.length - path.length))}`, "", ...lines].join(
    "\n",
  );
}

interface Member {
  readonly type?: string;
  readonly description?: string;
  readonly default?: string | number | boolean;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly secret?: boolean;
  readonly url?: boolean;
}

function setting(name: string, member: Member, isRequired: boolean): string {
  if (member.description === undefined) throw new Error(`the setting ${name} has no description`);
  const notes = [kindOf(member), member.secret === true ? "secret" : undefined].filter((note) => note !== undefined);
  const about = `# ${member.description}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`;
  if (member.default === undefined) return `${about}\n${isRequired ? "" : "# "}${name}=\n`;
  return `${about}\n# ${name}=${member.secret === true ? "" : shown(member.default)}\n`;
}

function kindOf({ type, minimum, exclusiveMinimum, maximum, enum: words }: Member): string | undefined {
  if (words !== undefined) return words.join(" | ");
  if (type === "boolean") return "true | false";
  if (type !== "number" && type !== "integer") return undefined;
  const least =
    minimum === undefined
      ? exclusiveMinimum === undefined
        ? undefined
        : `above ${exclusiveMinimum}`
      : `at least ${minimum}`;
  if (minimum !== undefined && maximum !== undefined) return `${type} from ${minimum} to ${maximum}`;
  return [type, least, maximum === undefined ? undefined : `at most ${maximum}`]
    .filter((note) => note !== undefined)
    .join(", ");
}

/** A default that lies in the clone is shown from there: the file must be the same on every machine. */
function shown(value: string | number | boolean): string {
  const text = String(value);
  return text.startsWith(`${root}/`) ? `./${text.slice(root.length + 1)}` : text;
}
