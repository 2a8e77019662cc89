import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { canonicalJson, digestOf, sha256 } from "../../../common/canonical.ts";

test("member order and undefined members do not change the text", () => {
  const text = '{"a":[1,{"x":null,"y":true}],"b":"ü"}';
  assert.equal(canonicalJson({ b: "ü", a: [1, { y: true, x: null, z: undefined }] }), text);
  assert.equal(canonicalJson({ a: [1, { x: null, y: true }], b: "ü" }), text);
});

test("keys are sorted by UTF-16 code unit, as RFC 8785 wants it", () => {
  // The RFC's own example (section 3.2.3): U+20AC, CR, U+FB33, "1", U+1F600, U+0080, ö.
  const keys = ["\u20ac", "\r", "\ufb33", "1", "\u{1f600}", "\u0080", "\u00f6"];
  const sorted = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\u{1f600}", "\ufb33"];
  const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])));
  assert.equal(text, `{${sorted.map((key) => `${JSON.stringify(key)}:0`).join(",")}}`);
});

test("numbers are written as ECMAScript writes them; minus zero is zero", () => {
  assert.equal(canonicalJson([1e30, 4.5, 2e-3, 0.000001, 1e-27, -0]), "[1e+30,4.5,0.002,0.000001,1e-27,0]");
});

test("a hole of an array is null, as JSON has it", () => {
  assert.equal(canonicalJson([1, undefined, 3]), "[1,null,3]");
});

for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 1, Symbol("s"), { a: [1n] }, undefined]) {
  test(`what JSON cannot hold is refused: ${typeof value === "object" ? "inside an object" : String(value)}`, () => {
    assert.throws(() => canonicalJson(value), TypeError);
  });
}

test("any JSON value survives, and its text does not depend on how it was built", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.equal(canonicalJson(JSON.parse(text)), text);
      assert.equal(canonicalJson(JSON.parse(JSON.stringify(value))), text);
    }),
  );
});

test("a digest is the SHA-256 of the canonical text", () => {
  assert.equal(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert.equal(digestOf({ b: 1, a: 2 }), sha256('{"a":2,"b":1}'));
  assert.notEqual(digestOf({ a: 1 }), digestOf({ a: "1" }));
});
