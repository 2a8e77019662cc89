import { connect } from "../../common/postgres/pool.ts";
import type { TestTenant } from "../../tests/integration/cells/cell-under-test.ts";

/** The peer's table: the same columns and indexes, nothing of the kit's. */
export async function makeBareSchema(ownerUrl: string): Promise<void> {
  await within(ownerUrl, (client) =>
    client.query(`
      CREATE TABLE notes (
        tenant_id uuid NOT NULL,
        id uuid NOT NULL DEFAULT uuidv7(),
        board integer NOT NULL,
        body text NOT NULL,
        written_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (tenant_id, id)
      );
      CREATE INDEX notes_board ON notes (tenant_id, board, id)`),
  );
}

/** Ten notes on each board of each tenant, as the superuser, past the fence. */
export async function seedNotes(url: string, tenants: readonly TestTenant[], boards: number): Promise<void> {
  await within(url, async (client) => {
    await client.query("SET session_replication_role = replica");
    for (const { id, slug } of tenants) {
      await client.query(
        `INSERT INTO notes (tenant_id, board, body)
         SELECT $1, board, format('note %s of %s %s', n, $2::text, repeat('lorem ipsum ', 10)) FROM generate_series(0, $3 - 1) AS board, generate_series(0, 9) AS n`,
        [id, slug, boards],
      );
    }
    await client.query("VACUUM ANALYZE notes");
  });
}

export async function countNotes(url: string): Promise<number> {
  return within(url, async (client) => {
    const result = await client.query<{ count: number }>("SELECT count(*) AS count FROM notes");
    return result.rows[0]?.count ?? 0;
  });
}

export type Durability = Readonly<Record<"fsync" | "full_page_writes" | "synchronous_commit", string>>;

/** What SHOW says in each database. @throws where one of them is off: a figure without durability is none. */
export async function readDurability(urls: readonly string[]): Promise<Durability> {
  const found = { fsync: "", full_page_writes: "", synchronous_commit: "" };
  for (const url of urls) {
    await within(url, async (client) => {
      for (const name of Object.keys(found) as (keyof Durability)[]) {
        const value = (await client.query<Record<string, string>>(`SHOW ${name}`)).rows[0]?.[name] ?? "";
        if (value !== "on") throw new Error(`${name} is ${value}`);
        found[name] = value;
      }
    });
  }
  return found;
}

async function within<Result>(
  url: string,
  work: (client: Awaited<ReturnType<typeof connect>>) => Promise<Result>,
): Promise<Result> {
  const client = await connect(url, "bench");
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
