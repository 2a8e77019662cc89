import { defineCellApp, defineJob, type JobContext } from "../../cells/kit/kit.ts";
import pulse from "../../cells/pulse/app.ts";
import { eventListRoutes } from "../../cells/pulse/event-list-routes.ts";
import { eventRoutes } from "../../cells/pulse/event-routes.ts";
import { githubRoutes } from "../../cells/pulse/github-routes.ts";
import { purge, rollUp } from "../../cells/pulse/jobs.ts";
import type { PulseSettings } from "../../cells/pulse/settings.ts";
import { rememberFirstEvent } from "./first-event.store.ts";
import { statsRoutes } from "./stats-routes.ts";

const rollUpWithFirst = defineJob({
  ...rollUp,
  async run(payload, context: JobContext<PulseSettings>): Promise<void> {
    await rollUp.run(payload, context);
    await rememberFirstEvent(context.tx);
  },
});

/** Release 2 of Pulse, as releases are: a new table, a new field in an answer, everything else as it was. */
export default defineCellApp({
  ...pulse,
  migrations: { needs: 2 },
  async routes(server) {
    eventRoutes(server);
    eventListRoutes(server);
    githubRoutes(server);
    statsRoutes(server);
  },
  jobs: [rollUpWithFirst, purge],
});
