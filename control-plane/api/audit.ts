import Type from "typebox";
import { AuditList, AuditVerification } from "../../common/contracts/control-plane.ts";
import type { Server } from "../../common/http/server.ts";
import { listAudit, verifyAudit } from "../audit/audit.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const pageLimit = 500;
const defaultLimit = 100;
const ListQuery = Type.Object(
  {
    before: Type.Optional(Type.Integer({ minimum: 1 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: pageLimit })),
  },
  { additionalProperties: false },
);

/** Who did what, latest first, and whether the chain holds. */
export function auditRoutes(server: Server, { pool }: ApiContext): void {
  server.route({
    method: "GET",
    url: "/v1/audit",
    config: { access: "viewer" },
    schema: { summary: "List audit entries, latest first", querystring: ListQuery, response: answers(AuditList) },
    handler: async ({ query }) => ({
      entries: await listAudit(pool, query.limit ?? defaultLimit, query.before ?? null),
    }),
  });

  server.route({
    method: "GET",
    url: "/v1/audit/verification",
    config: { access: "admin" },
    schema: { summary: "Verify the whole chain of hashes", response: answers(AuditVerification) },
    handler: async () => {
      const broken = await verifyAudit(pool);
      return { intact: broken === null, brokenAt: broken?.sequence ?? null, why: broken?.reason ?? null };
    },
  });
}
