import type { ErrorDefinition, ErrorTable } from "../../common/errors.ts";
import { sourcesCalled } from "./sources.ts";

/** Whose errors a table holds, by its folder. */
const owners: Readonly<Record<string, string>> = {
  aggregator: "aggregator",
  "aggregator/merge": "aggregator",
  "cells/drivers": "cell driver and supervisor",
  "cells/drivers/bundle": "release bundler",
  "cells/kit": "cell",
  "cells/pulse": "Pulse, the reference application",
  cli: "command line",
  "common/http": "every HTTP API",
  "control-plane": "control plane",
  "control-plane/dns": "control plane",
  "control-plane/placement": "control plane",
  "control-plane/rollout": "control plane",
  router: "router",
  workflows: "workflow worker",
};

/** One row of one part's table. */
export interface ListedError extends ErrorDefinition {
  readonly code: string;
  readonly owner: string;
  /** File of the table. */
  readonly path: string;
}

/**
 * Every row of every part's table.
 * @throws when a table belongs to a folder that has no name here, or a file of that name holds no table.
 */
export async function listedErrors(): Promise<readonly ListedError[]> {
  const rows: ListedError[] = [];
  for (const { path, exports } of await sourcesCalled("errors.ts")) {
    const folder = path.slice(0, -"/errors.ts".length);
    // It defines what an error is, and holds none.
    if (folder === "common") continue;
    const owner = owners[folder];
    if (owner === undefined)
      throw new Error(`scripts/docs/error-page.ts does not say whose errors those of ${path} are`);
    const tables = Object.values(exports).filter(isTable);
    if (tables.length === 0) throw new Error(`${path} exports no table of errors`);
    for (const [code, definition] of tables.flatMap(Object.entries<ErrorDefinition>))
      rows.push({ code, owner, path, ...definition });
  }
  return rows;
}

function isTable(value: unknown): value is ErrorTable {
  if (typeof value !== "object" || value === null) return false;
  const rows = Object.values(value) as readonly (Partial<ErrorDefinition> | null)[];
  return (
    rows.length > 0 &&
    rows.every(
      (row) => typeof row?.status === "number" && typeof row.title === "string" && typeof row.todo === "string",
    )
  );
}

/** Codes that mean different things in different tables: one code has one status and one title, wherever it is met. */
export function ambiguous(rows: readonly ListedError[]): readonly string[] {
  return byCode(rows).flatMap(([code, same]) => {
    const meanings = new Set(same.map(({ status, title }) => `${status} ${title}`));
    return meanings.size === 1
      ? []
      : [`${code}: ${same.map(({ path, status, title }) => `${path} says ${status} "${title}"`).join(", ")}`];
  });
}

/**
 * docs/errors.md. Each code is a heading, so that the fragment of a problem's `type` finds it.
 * @throws when a code is ambiguous.
 */
export function errorPage(rows: readonly ListedError[]): string {
  const twice = ambiguous(rows);
  if (twice.length > 0) throw new Error(`one code, several meanings:\n${twice.join("\n")}`);
  return [introduction, index(rows), "## Every code\n", ...byCode(rows).map(([code, same]) => entry(code, same))].join(
    "\n",
  );
}

const introduction = `<!-- Made by \`npm run docs\` from the tables in errors.ts of each part. Change them, not this page. -->

# Errors

Every refusal and failure of Cellplane is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), over HTTP with the
media type \`application/problem+json\`, and on the command line with \`--json\`:

\`\`\`json
{
  "type": "https://cellplane.dev/errors#unknown-tenant",
  "title": "There is no such tenant",
  "status": 404,
  "code": "unknown-tenant",
  "detail": "No tenant answers at acme.cellplane.localhost.",
  "todo": "Check the host's first label against the tenant's slug.",
  "requestId": "0b8f3c1e-2f53-4d0c-9b7e-0d9c4e6b7a11"
}
\`\`\`

\`code\` is stable: switch on it. \`title\` says what it means, always in the same words; \`detail\` what happened this time; \`todo\` what you can
do about it; \`requestId\` is also in the answer's \`X-Request-Id\` and in the logs. The fragment of \`type\` is the heading below. Some errors have
further members, e.g. \`retryAfterSeconds\`, which the header \`Retry-After\` repeats.

Where nothing is sent over HTTP, the status says what it would be.
`;

function index(rows: readonly ListedError[]): string {
  const names = [...new Set(rows.map(({ owner }) => owner))].toSorted((a, b) => a.localeCompare(b, "en"));
  const lines = names.map((owner) => {
    const codes = [...new Set(rows.filter((row) => row.owner === owner).map(({ code }) => code))].toSorted();
    return `| ${owner} | ${codes.map((code) => `[\`${code}\`](#${code})`).join(" · ")} |`;
  });
  return ["## Who answers what", "", "| part | codes |", "|---|---|", ...lines, ""].join("\n");
}

function entry(code: string, same: readonly ListedError[]): string {
  const [first] = same;
  const advice = new Map<string, string[]>();
  for (const { todo, owner } of same) advice.set(todo, [...new Set([...(advice.get(todo) ?? []), owner])]);
  const lines = [...advice].map(([todo, by]) => (advice.size === 1 ? todo : `- ${by.join(", ")}: ${todo}`));
  const by = [...new Set(same.map(({ owner }) => owner))].join(", ");
  return [`### ${code}`, "", `**${first?.status} ${first?.title}** (${by})`, "", ...lines, ""].join("\n");
}

function byCode(rows: readonly ListedError[]): readonly (readonly [string, readonly ListedError[]])[] {
  return Object.entries(Object.groupBy(rows, ({ code }) => code))
    .flatMap(([code, same]) => (same === undefined ? [] : [[code, same] as const]))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
}
