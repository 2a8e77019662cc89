import { Type, defineCellApp } from "../../../../cells/kit/kit.ts";

/** An application of a test: says what it believes a request to be, whatever its method, address and body. */
export default defineCellApp({
  name: "echo",
  settings: Type.Object({}),
  migrations: { needs: 1 },
  async routes(server) {
    server.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    server.removeContentTypeParser(["application/json", "text/plain"]);
    server.route({
      method: ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
      url: "/*",
      config: { auth: "none" },
      // What the corpus asks: input that is not declared is refused by the kit.
      schema: { querystring: Type.Object({ a: Type.Optional(Type.String()), x: Type.Optional(Type.String()) }) },
      async handler(request) {
        const parsed: unknown = request.body;
        const chunks: Buffer[] = [];
        if (Buffer.isBuffer(parsed)) chunks.push(parsed);
        // Bodies of GET are nobody's to parse; what came is still part of the message.
        else for await (const chunk of request.raw) chunks.push(chunk as Buffer);
        const { method, url, headers } = request.raw;
        const body = Buffer.concat(chunks).toString("latin1");
        return { method, url, body, host: headers.host, tenant: request.tenant.id };
      },
    });
  },
  jobs: [],
  aggregates: {},
});
