import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { canonicalJson } from "../../../common/canonical.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope, sealPayload } from "../../../common/fleet/envelope.ts";
import { MapRows } from "../../../common/fleet/rows.ts";
import { readSnapshot } from "../../../common/fleet/snapshot.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { documentRows } from "../../support/fleet-rows.ts";

const key = generateSigningKey();
const keys = (kid: string) => (kid === key.kid ? key.publicKey : undefined);
const generation = { term: 2, n: 5 };
const sealed = (rows: Record<string, unknown>, more: object = {}) =>
  sealEnvelope({ kind: "snapshot", generation, hash: FleetDocument.of(rows, generation).hash, rows, ...more }, key);
const read = (envelope: unknown) => readSnapshot(envelope, keys, new MapRows());

describe("a snapshot that is read row by row", () => {
  it("is what JSON says it is, whatever the rows hold", async () => {
    const names = fc.tuple(fc.constantFrom("tenant", "key", "cell", "part", "settings"), fc.string({ minLength: 1 }));
    const rows = fc.array(fc.tuple(names, fc.jsonValue()), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(rows, async (entries) => {
        const given = Object.fromEntries(
          entries
            .map(([[kind, id], value]) => [`${kind}/${id.replace(/[\n\r\u2028\u2029]/g, "_")}`, value] as const)
            .filter(([, value]) => canonicalJson(value) === canonicalJson(JSON.parse(JSON.stringify(value)))),
        );
        fc.pre(Object.keys(given).length > 0);
        const document = await read(sealed(given));
        assert.deepEqual(document.generation, generation);
        assert.equal(
          canonicalJson(Object.fromEntries(document.rows.entries())),
          canonicalJson(JSON.parse(JSON.stringify(given))),
        );
      }),
      { numRuns: 200 },
    );
  });

  it("lets others have their turn while its rows come", async () => {
    let turns = 0;
    let done = false;
    const count = () => {
      turns += 1;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    const document = await read(sealed(documentRows(5_000, { keys: true })));
    done = true;
    assert.equal(document.size, 10_005);
    assert.ok(turns >= 30, `${turns} turns`);
  });

  it("is refused where it is empty, does not add up, is no snapshot, or no canonical JSON", async () => {
    const rows = documentRows(2, { keys: false });
    const refused = (envelope: unknown, reason: string) => assert.rejects(() => read(envelope), { reason });
    const good = sealed(rows).payload;
    await refused(sealed({}), "malformed");
    await refused(sealed(rows, { hash: "0".repeat(64) }), "wrong-hash");
    await refused(sealed(rows, { kind: "delta" }), "malformed");
    await refused(sealed(rows, { generation: { term: 0, n: 1 } }), "malformed");
    await refused(sealed({ ...rows, nameless: 1 }), "malformed");
    await refused(sealPayload("{}", key), "malformed");
    await refused(sealPayload(good.replace(',"rows":{', ', "rows":{'), key), "malformed");
    await refused(sealPayload(good.slice(0, -2), key), "malformed");
    await refused(sealPayload(`${good.slice(0, -2)},}}`, key), "malformed");
    await refused(sealPayload(good.replace('"cell/cell-1":', '"cell/cell-1"'), key), "malformed");
    await refused({ ...sealed(rows), kid: "other" }, "unknown-key");
    await refused({ ...sealed(rows), payload: good.replace("tenant-1", "tenant-2") }, "bad-signature");
    await refused("rubbish", "malformed");
    await refused(null, "malformed");
  });
});
