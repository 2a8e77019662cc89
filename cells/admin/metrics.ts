import Type from "typebox";
import { MetricsPage, metricsContentType } from "../../common/http/metrics-page.ts";
import type { Server } from "../../common/http/server.ts";
import { queueAlarms } from "../kit/queue/alarms.ts";
import { countQueue, longestBacklogs } from "../kit/queue/counts.store.ts";
import { skewAlarms, type StatusOptions } from "./status.ts";

/** Tenants named in the metrics: those with most waiting. More would make as many series as there are tenants. */
const namedTenants = 5;

type Watched = Pick<StatusOptions, "system" | "skews">;

/** `/metrics`: the cell's queue, of which API and worker of a slot read the same tables and say the same, and this process's clock. */
export function metricsRoute(server: Server, watched: Watched): void {
  server.get(
    "/metrics",
    {
      schema: {
        summary: "Metrics in Prometheus' text format",
        produces: ["text/plain"],
        response: { 200: Type.String() },
      },
    },
    async (_request, reply) => {
      const page = new MetricsPage();
      await queueMetrics(page, watched);
      return reply.type(metricsContentType).send(page.toString());
    },
  );
}

async function queueMetrics(page: MetricsPage, { system, skews }: Watched): Promise<void> {
  const counts = await countQueue(system);
  const backlogs = await longestBacklogs(system, namedTenants);
  const gauge = (name: string, help: string) => page.family(`cellplane_cell_${name}`, "gauge", help);
  gauge("jobs_waiting", "Jobs that are written down and not handed to a worker, delayed ones too.")(counts.waiting);
  gauge("jobs_in_flight", "Jobs handed to the workers and not ended.")(counts.inFlight);
  gauge(
    "jobs_oldest_seconds",
    "For how long the job that is due longest has been so, of tenants that are served.",
  )(counts.oldestSeconds);
  gauge("dead_letters", "Jobs that failed for good.")(counts.dead);
  gauge("outboxes_full", "Tenants, or the cell, whose new jobs are refused.")(counts.full);
  const byTenant = gauge("tenant_jobs_waiting", `Jobs that wait, of the ${namedTenants} tenants with most of them.`);
  for (const { tenant, waiting } of backlogs) byTenant(waiting, { tenant });
  const alarms = gauge("alarm", "1 for each alarm that stands.");
  // Both kinds of token may be out of time; a series stands once on a page.
  const codes = new Set([...queueAlarms(counts), ...skewAlarms({ skews })].map(({ code }) => code));
  for (const code of codes) alarms(1, { code });
}
