/**
 * The peer: Fastify and pg as one would write it without a kit. The same statements in BEGIN … COMMIT with a tenant filter of its own; the
 * tenant is believed from a header. No lease, no row-level security, no assertion, no settings.
 */
import process from "node:process";
import Fastify from "fastify";
import pg from "pg";

const [url = "", port = "0", poolSize = "10"] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString: url, max: Number(poolSize), application_name: "bare" });

async function inTransaction<Result>(work: (client: pg.PoolClient) => Promise<Result>): Promise<Result> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

const server = Fastify();
server.post<{ Body: { board: number; body: string }; Headers: { "x-tenant": string } }>(
  "/v1/notes",
  {
    schema: {
      body: {
        type: "object",
        required: ["board", "body"],
        properties: { board: { type: "integer" }, body: { type: "string", maxLength: 1_000 } },
        additionalProperties: false,
      },
      response: { 201: { type: "object", properties: { id: { type: "string" } } } },
    },
  },
  async (request, reply) => {
    const { board, body } = request.body;
    const result = await inTransaction((client) =>
      client.query<{ id: string }>("INSERT INTO notes (tenant_id, board, body) VALUES ($1, $2, $3) RETURNING id", [
        request.headers["x-tenant"],
        board,
        body,
      ]),
    );
    return reply.code(201).send({ id: result.rows[0]?.id });
  },
);
server.get<{ Params: { board: string }; Headers: { "x-tenant": string } }>(
  "/v1/boards/:board",
  {
    schema: {
      params: { type: "object", properties: { board: { type: "string", pattern: "^[0-9]{1,4}$" } } },
      response: {
        200: {
          type: "object",
          properties: {
            notes: {
              type: "array",
              items: {
                type: "object",
                properties: { id: { type: "string" }, board: { type: "integer" }, body: { type: "string" } },
              },
            },
          },
        },
      },
    },
  },
  async (request) => {
    const result = await inTransaction((client) =>
      client.query("SELECT id, board, body FROM notes WHERE tenant_id = $1 AND board = $2 ORDER BY id LIMIT 10", [
        request.headers["x-tenant"],
        Number(request.params.board),
      ]),
    );
    return { notes: result.rows };
  },
);
await server.listen({ host: "127.0.0.1", port: Number(port) });
