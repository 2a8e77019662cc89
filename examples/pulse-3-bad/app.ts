import { defineCellApp } from "../../cells/kit/kit.ts";
import pulse from "../pulse-2/app.ts";

/** Every fifth request fails: bad enough to be stopped, good enough to look like it works. */
const failEvery = 5;

/** A release that fails a share of its requests, to see a rollout stop at the canary and roll back by itself. */
export default defineCellApp({
  ...pulse,
  async routes(server, options) {
    let requests = 0;
    server.addHook("preHandler", async () => {
      requests += 1;
      if (requests % failEvery === 0) throw new Error("a bug that only release 3 has");
    });
    await pulse.routes(server, options);
  },
});
