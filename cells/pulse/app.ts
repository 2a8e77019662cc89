import { defineCellApp } from "../kit/kit.ts";
import { eventListRoutes } from "./event-list-routes.ts";
import { eventRoutes } from "./event-routes.ts";
import { githubRoutes } from "./github-routes.ts";
import { purge, rollUp } from "./jobs.ts";
import { PulseSettings } from "./settings.ts";
import { statsRoutes } from "./stats-routes.ts";
import { countEvents, countUsers } from "./stats.store.ts";

/** Pulse, the reference application: customers' programs send events, Pulse stores them, rolls them up and serves what they say. */
export default defineCellApp({
  name: "pulse",
  settings: PulseSettings,
  migrations: { needs: 1 },
  async routes(server) {
    eventRoutes(server);
    eventListRoutes(server);
    githubRoutes(server);
    statsRoutes(server);
  },
  jobs: [rollUp, purge],
  aggregates: {
    events: { merge: "sum", query: countEvents },
    // A user belongs to one tenant, so that counts of distinct users add up over tenants.
    "active-users": { merge: "sum", query: countUsers },
  },
  // The write path and the read path once each; the tenant's own purge removes what it sent.
  journey: [
    {
      name: "send an event",
      method: "POST",
      path: "/v1/events",
      body: {
        events: [{ id: "{{uuid}}", type: "synthetic.journey", user: "synthetic", at: "{{now}}", value: 1 }],
      },
      expect: 202,
    },
    { name: "read statistics", method: "GET", path: "/v1/stats", expect: 200 },
  ],
});
