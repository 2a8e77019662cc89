import { Type, defineCellApp } from "cellplane/kit";
import { readSettings, wait } from "./settings.store.ts";

/** An application of a test: it says under which limits the database runs its statements, and takes its time. */
export default defineCellApp({
  name: "limits",
  migrations: { needs: 0 },
  async routes(server) {
    server.get(
      "/v1/settings",
      { schema: { response: { 200: Type.Record(Type.String(), Type.String()) } } },
      (request) => request.tenant.db.read(readSettings),
    );
    server.get("/v1/slow", { schema: { querystring: Type.Object({ seconds: Type.String() }) } }, async (request) => {
      await request.tenant.db.read((tx) => wait(tx, Number(request.query.seconds)));
      return {};
    });
  },
});
