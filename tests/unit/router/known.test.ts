import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeyRow } from "../../../common/contracts/fleet.ts";
import type { TenantId } from "../../../common/ids.ts";
import { keyDigestOf, Keys } from "../../../router/guard/key.ts";
import { KnownFields } from "../../../router/guard/known-fields.ts";
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
