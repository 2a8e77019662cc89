import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeyRow, TenantRow } from "../../../common/contracts/fleet.ts";
import type { TenantId } from "../../../common/ids.ts";
import { Hosts } from "../../../router/guard/hosts.ts";
import { InFlight } from "../../../router/guard/in-flight.ts";
import { keyDigestOf, Keys } from "../../../router/guard/key.ts";
import { KnownFields } from "../../../router/guard/known-fields.ts";
import { RateLimits } from "../../../router/guard/rate.ts";
import type { RoutingTable } from "../../../router/table/table.ts";
import type { FieldBlock } from "../../../router/wire/field-block.ts";
import { RequestParser } from "../../../router/wire/request-parser.ts";

const tenant = "01890000-0000-7000-8000-000000000001" as TenantId;

/** The one field of a request. */
function fieldOf(name: string, value: string): FieldBlock {
  const parser = new RequestParser();
  const bytes = Buffer.from(`GET / HTTP/1.1\r\n${name}: ${value}\r\n\r\n`, "latin1");
  assert.equal(parser.parse(bytes, 0, bytes.length), bytes.length);
  return parser.fields;
}

describe("what is known of fields", () => {
  it("a key that was right is remembered as long as the table is the same, and a revoked one is not right again", () => {
    const row = (key: string) => ({ id: "k", tenant, digest: keyDigestOf(`Bearer ${key}`) ?? "" }) as unknown as KeyRow;
    const table = { revision: 1, tenant: () => undefined, rows: [row("cpk_abc")], asked: 0, keyOf(digest: string) {
      this.asked += 1;
      return this.rows.find((each) => each.digest === digest);
    } }; // prettier-ignore
    const known = new Keys(table as unknown as RoutingTable);
    const bearer = (field: string) => known.bearerAt(fieldOf("Authorization", field), 0);
    const right = bearer("Bearer cpk_abc");
    assert.equal(right.kind, "key");
    assert.deepEqual([bearer("Bearer cpk_abc"), table.asked], [right, 1]);
    assert.deepEqual(
      ["Bearer cpk_abd", "Basic cpk_abc", "Basic dTpw"].map((field) => bearer(field).kind),
      ["unknown", "malformed", "none"],
    );
    assert.equal(known.bearerAt(fieldOf("Host", "a"), -1).kind, "none");
    table.revision += 1;
    assert.equal(bearer("Bearer cpk_abc"), right, "the same key in another table");
    table.rows = [];
    table.revision += 1;
    assert.equal(bearer("Bearer cpk_abc").kind, "unknown");
    table.rows = [row("cpk_abc")];
    table.revision += 1;
    assert.equal(bearer("Bearer cpk_abc").kind, "key");
  });

  it("spellings of a key share what is known of it, and a stranger's many spellings push out nobody", () => {
    const digest = keyDigestOf("Bearer cpk_abc") ?? "";
    const row = { id: "k", tenant, digest } as unknown as KeyRow;
    let asked = 0;
    const table = {
      revision: 1,
      tenant: () => undefined,
      keyOf: () => {
        asked += 1;
        return row;
      },
    };
    const known = new Keys(table as unknown as RoutingTable);
    const keyAt = (field: string) => {
      const bearer = known.bearerAt(fieldOf("Authorization", field), 0);
      return bearer.kind === "key" ? bearer.key : null;
    };
    const key = keyAt("Bearer cpk_abc");
    for (const field of ["bearer cpk_abc", "BEARER  cpk_abc", "Bearer      cpk_abc"])
      assert.equal(keyAt(field), key, field);
    assert.equal(asked, 1);
  });

  it("spellings of a host are one guest; of a tenant few are remembered beside the plain one, which always is", () => {
    const row = { id: tenant } as TenantRow;
    const asked: string[] = [];
    const table = {
      revision: 1,
      tenantAt: (name: string) => {
        asked.push(name);
        return name === "acme.example" ? row : undefined;
      },
    };
    const rates = new RateLimits({ now: () => 0, monotonic: () => 0 });
    const hosts = new Hosts(table as unknown as RoutingTable, rates, new InFlight());
    const at = (host: string) => hosts.guestAt(fieldOf("Host", host), 0);
    for (let port = 1; port <= 100; port += 1) at(`acme.example:${port}`);
    const guest = at("acme.example");
    assert.equal(guest?.tenant, row);
    asked.length = 0;
    for (const host of ["acme.example", "acme.example:1", "acme.example:4"]) assert.equal(at(host), guest);
    assert.deepEqual(asked, []);
    assert.equal(at("ACME.example:77"), guest);
    assert.deepEqual(asked, ["acme.example"]);
    assert.equal(at("other.example"), undefined);
    assert.throws(() => at("acme.example:"), { code: "malformed-request" });
    table.revision += 1;
    assert.equal(at("acme.example"), guest, "the same row in another table");
  });

  it("what is known of a field's values is bounded, and what was used lately stays", () => {
    const known = new KnownFields<number>(100);
    const at = (value: string) => fieldOf("Host", value);
    known.keep(at("used"), 0, -1);
    for (let index = 0; index < 1_000; index += 1) {
      known.keep(at(`value-${index}`), 0, index);
      assert.equal(known.find(at("used"), 0), -1);
    }
    const found = Array.from({ length: 1_000 }, (_, index) => known.find(at(`value-${index}`), 0)).filter(
      (value) => value !== undefined,
    );
    assert.ok(found.length >= 99 && found.length <= 200, `${found.length}`);
    assert.equal(known.find(at("value"), 0), undefined);
  });
});
