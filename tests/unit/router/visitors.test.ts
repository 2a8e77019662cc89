import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TenantRow } from "../../../common/contracts/fleet.ts";
import type { SigningKey } from "../../../common/keys.ts";
import type { Caller } from "../../../router/guard/caller.ts";
import type { Guest } from "../../../router/guard/hosts.ts";
import { Visitor, Visitors } from "../../../router/guard/visitors.ts";
import type { FieldBlock } from "../../../router/wire/field-block.ts";
import { RequestParser } from "../../../router/wire/request-parser.ts";

/** A request's fields: Host, and Authorization where there is one. */
function fieldsOf(host: string, authorization?: string): readonly [fields: FieldBlock, host: number, key: number] {
  const parser = new RequestParser();
  const more = authorization === undefined ? "" : `Authorization: ${authorization}\r\n`;
  const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`, "latin1");
  assert.equal(parser.parse(bytes, 0, bytes.length), bytes.length);
  return [parser.fields, 0, authorization === undefined ? -1 : 1];
}

function visitor(name: string): Visitor {
  const limits = { requestsPerSecond: 1, inFlight: 1, bodyBytes: 1 };
  const tenant = {
    id: name,
    slug: name,
    state: "active",
    tier: "free",
    synthetic: false,
    limits,
  } as unknown as TenantRow;
  const guest = { tenant, bucket: null, load: null, assertion: null } as unknown as Guest;
  return new Visitor(guest, { principal: "anonymous", kept: guest } as Caller, null, 1);
}

describe("visitors", () => {
  it("are found by both values together, and by nothing that is only like them", () => {
    const visitors = new Visitors();
    const kept = visitor("a");
    visitors.keep(...fieldsOf("a.example", "Bearer cpk_1"), kept);
    assert.ok(visitors.find(...fieldsOf("a.example", "Bearer cpk_1")) === kept);
    for (const [host, key] of [
      ["a.example", undefined],
      ["a.example", "Bearer cpk_2"],
      ["a.example", ""],
      ["A.example", "Bearer cpk_1"],
      ["b.example", "Bearer cpk_1"],
      ["a.exampleB", "earer cpk_1"],
      ["a.exampl", "eBearer cpk_1"],
    ] as const)
      assert.ok(visitors.find(...fieldsOf(host, key)) === undefined, `${host} ${key}`);
    const anonymous = visitor("b");
    visitors.keep(...fieldsOf("a.example"), anonymous);
    assert.ok(visitors.find(...fieldsOf("a.example")) === anonymous);
    assert.ok(visitors.find(...fieldsOf("a.example", "Bearer cpk_1")) === kept);
    kept.sign(Buffer.from("of a"), {} as SigningKey, 100);
    const again = visitor("a2");
    visitors.keep(...fieldsOf("a.example", "Bearer cpk_1"), again);
    assert.ok(visitors.find(...fieldsOf("a.example", "Bearer cpk_1")) === again, "the newer stands in its place");
    again.sign(Buffer.from("of a2"), {} as SigningKey, 100);
    assert.ok(
      kept.signedWith === null && kept.line.length === 0,
      "and the older, which may be on its way, has no part in its record",
    );
    kept.sign(Buffer.from("anew"), {} as SigningKey, 100);
    assert.equal(again.line.toString("latin1", again.lineFrom, again.lineTo), "of a2");
  });

  it("keep their assertion's line beside what they are found by, and each their own", () => {
    const visitors = new Visitors();
    const all = Array.from({ length: 300 }, (_, index) => visitor(String(index)));
    const key = {} as SigningKey;
    for (const [index, each] of all.entries()) {
      visitors.keep(...fieldsOf(`${index}.example`, `Bearer cpk_${index}`), each);
      each.sign(Buffer.from(`line ${"x".repeat(index * 5)} of ${index}`), key, 100);
    }
    for (const [index, each] of all.entries()) {
      assert.ok(visitors.find(...fieldsOf(`${index}.example`, `Bearer cpk_${index}`)) === each);
      const line = each.line.toString("latin1", each.lineFrom, each.lineTo);
      assert.equal(line, `line ${"x".repeat(index * 5)} of ${index}`);
      if (index < 100 || index > 250)
        assert.equal(each.line === each.record, index < 100, "what is too long stands elsewhere");
    }
  });

  it("that nobody asks for are forgotten when there are many; who comes again stays", () => {
    const visitors = new Visitors();
    const regular = fieldsOf("regular.example", "Bearer cpk_r");
    visitors.keep(...regular, visitor("regular"));
    for (let index = 0; index < 25_000; index += 1) {
      visitors.keep(...fieldsOf(`${index}.example`), visitor(String(index)));
      if (index % 1_000 === 0) assert.equal(visitors.find(...regular)?.slug, "regular");
    }
    assert.equal(visitors.find(...regular)?.slug, "regular");
    assert.equal(visitors.find(...fieldsOf("1.example")), undefined);
    assert.equal(visitors.find(...fieldsOf("24999.example"))?.slug, "24999");
    const long = fieldsOf(`${"a".repeat(201)}.example`);
    visitors.keep(...long, visitor("long"));
    assert.equal(visitors.find(...long), undefined, "longer than is remembered");
  });
});
