import assert from "node:assert/strict";
import { stat } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { connect, sqlState } from "../../../common/postgres/pool.ts";
import { startPostgres, type TestPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";

describe("a prepared PostgreSQL", () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  test("gives a cell's database to its owner, and to nobody else", async () => {
    const database = await postgres.freshDatabase();
    const owner = await connect(database.ownerUrl, "test");
    await owner.query("CREATE TABLE things (id uuid PRIMARY KEY DEFAULT uuidv7())");
    await owner.end();
    const app = await connect(database.appUrl, "test");
    await assert.rejects(app.query("SELECT * FROM things"), (error) => sqlState(error) === "42501");
    await assert.rejects(app.query("CREATE TABLE mine (id int)"), (error) => sqlState(error) === "42501");
    await app.end();
  });

  test("refuses the roles of one database at another that does not know them", async () => {
    const database = await postgres.freshDatabase();
    const elsewhere = database.appUrl.replace(`/${database.name}`, "/postgres");
    await assert.rejects(connect(elsewhere, "test"), (error) => sqlState(error) === "42501");
  });

  test("refuses a wrong password and runs as a user that is not root", async () => {
    const wrong = postgres.url.replace("throw-away", "guessed");
    await assert.rejects(connect(wrong, "test"), (error) => sqlState(error) === "28P01");
    const { uid } = await stat(`/proc/${postgres.pid}`);
    assert.notEqual(uid, 0);
  });

  test("keeps its durable settings whatever ALTER SYSTEM says", async () => {
    const client = await connect(postgres.url, "test");
    await client.query("ALTER SYSTEM SET full_page_writes = off");
    await client.query("SELECT pg_reload_conf()");
    const { rows } = await client.query(
      "SELECT current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commits",
    );
    assert.deepEqual(rows, [{ pages: "on", commits: "on" }]);
    await client.end();
  });
});

test("a prepared Redis wants its password, keeps an append-only file and never forgets when full", async () => {
  const server = await startRedis();
  try {
    assert.match(await ask(server.port, "GET anything"), /^-NOAUTH/);
    const password = new URL(server.url).password;
    assert.match(await ask(server.port, `AUTH ${password}`, "CONFIG GET maxmemory-policy"), /noeviction/);
    assert.match(await ask(server.port, `AUTH ${password}`, "CONFIG GET appendonly"), /yes/);
  } finally {
    await server.stop();
  }
});

/** Sends inline commands (Redis protocol, "Inline commands") and returns all that is answered. */
async function ask(port: number, ...commands: string[]): Promise<string> {
  const socket = connectSocket({ host: "127.0.0.1", port });
  socket.end([...commands, "QUIT", ""].join("\r\n"));
  return text(socket);
}
