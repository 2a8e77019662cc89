import { Overview } from "../../common/contracts/control-plane.ts";
import { tenantStates, tiers } from "../../common/contracts/fleet.ts";
import { finalRolloutStates, type RolloutState } from "../../common/contracts/rollout.ts";
import type { Server } from "../../common/http/server.ts";
import { shownCell } from "../fleet/cell-health.ts";
import { listCells } from "../registry/cells.store.ts";
import { listParts } from "../registry/parts.store.ts";
import { listRollouts } from "../registry/rollouts.store.ts";
import { readSettings } from "../registry/settings.store.ts";
import { countTenants } from "../registry/tenants.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const lookBack = 20;
/** Temporal is asked at most this often, however many dashboards are open. */
const temporalFreshMs = 3_000;

/** What the dashboard's first page shows, in one answer. */
export function overviewRoutes(server: Server, context: ApiContext): void {
  const temporal = temporalState(context);

  server.route({
    method: "GET",
    url: "/v1/overview",
    config: { access: "viewer" },
    schema: { summary: "Cells, parts, tenants and the running rollout in one answer", response: answers(Overview) },
    handler: async () => {
      const { pool, clock, monitor, publisher } = context;
      const [settings, cells, parts, rollouts, counts, temporalNow] = await Promise.all([
        readSettings(pool),
        listCells(pool),
        listParts(pool),
        listRollouts(pool, lookBack),
        countTenants(pool),
        temporal(),
      ]);
      const { term, n } = publisher.position;
      const open = rollouts.find(({ state }) => !(finalRolloutStates as readonly RolloutState[]).includes(state));
      return {
        at: new Date(clock.now()).toISOString(),
        application: settings.application,
        baseDomain: settings.baseDomain,
        generation: { term, n },
        temporal: temporalNow,
        cells: cells.map((cell) => shownCell(cell, monitor.cell(cell.id))),
        rollout: open ?? rollouts[0] ?? null,
        tenants: {
          total: sum(counts),
          byTier: tally(tiers, (tier) => sum(counts.filter((row) => row.tier === tier))),
          byState: tally(tenantStates, (state) => sum(counts.filter((row) => row.state === state))),
        },
        parts: parts
          .filter(({ role }) => role !== "cell" && role !== "publisher")
          .map(({ id, role, url }) => ({
            id,
            role,
            url,
            state: role === "control-plane" ? ("up" as const) : monitor.part(id),
          })),
      };
    },
  });
}

function sum(rows: readonly { readonly count: number }[]): number {
  return rows.reduce((total, { count }) => total + count, 0);
}

function tally<Word extends string>(words: readonly Word[], count: (word: Word) => number): Record<Word, number> {
  return Object.fromEntries(words.map((word) => [word, count(word)])) as Record<Word, number>;
}

function temporalState({ engine, clock }: ApiContext): () => Promise<Overview["temporal"]> {
  let asked: { readonly at: number; readonly answer: Promise<boolean> } | null = null;
  return async () => {
    if (!engine.isConfigured) return "missing";
    if (asked === null || clock.monotonic() - asked.at > temporalFreshMs)
      asked = { at: clock.monotonic(), answer: engine.isReachable() };
    return (await asked.answer) ? "reachable" : "unreachable";
  };
}
