import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { corpus } from "../../support/http/corpus.ts";
import { LlhttpReader } from "../../support/http/llhttp.ts";
import { readAsRouter } from "../../support/http/ours.ts";

/** Fixed, so that a run is repeated by anybody; another seed is another hour of fuzzing. */
const seed = 20_261_122;
const runs = 1_500;
/** Cases asked of llhttp at once. */
const abreast = 32;

/** Without upgrades: behind one llhttp reads no further request, where ours, which strips it, goes on. */
const passing = corpus
  .filter(({ verdict, bytes }) => verdict === "pass" && !/upgrade/i.test(bytes))
  .map(({ bytes }) => bytes);

/** Bytes at which parsers differ. */
const spice = fc.constantFrom(
  "\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", "\0", "\x7f", "\xff", ":", ";", ",", "=", "0", "1", "f", "#", "/", "_", "-", "\"",
  "Host: a\r\n", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "GET / HTTP/1.1\r\n", "0\r\n\r\n",
); // prettier-ignore

interface Change {
  readonly at: number;
  readonly cut: number;
  readonly put: string;
}
const change: fc.Arbitrary<Change> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.constantFrom(0, 0, 1, 1, 2, 5),
  put: fc.oneof(spice, fc.constant(""), fc.string({ unit: "binary-ascii", maxLength: 3 })),
});

/** One request of the corpus, or two on one connection, with a few bytes changed. */
const connection = fc
  .tuple(fc.array(fc.constantFrom(...passing), { minLength: 1, maxLength: 2 }), fc.array(change, { maxLength: 3 }))
  .map(([requests, changes]) => {
    let text = requests.join("");
    for (const { at, cut, put } of changes) {
      const index = Math.floor(at * text.length);
      text = text.slice(0, index) + put + text.slice(index + cut);
    }
    return Buffer.from(text, "latin1");
  });

describe("the router's parser and llhttp", () => {
  const llhttp = new LlhttpReader();
  before(() => llhttp.start());
  after(() => llhttp.stop());

  /** What ours takes, llhttp must take as the same message; ours may stop earlier. */
  const agree = async (bytes: Buffer, name: string) => {
    const ours = readAsRouter(bytes).requests;
    const theirs = await llhttp.read(bytes);
    assert.deepEqual(ours, theirs.slice(0, ours.length), `${name}: ${JSON.stringify(bytes.toString("latin1"))}`);
  };

  it("the corpus: each case as it is written down, and nothing taken that llhttp reads otherwise", async () => {
    assert.ok(corpus.length >= 120, `${corpus.length} cases`);
    for (const { name, bytes, verdict } of corpus) {
      const { requests, refused } = readAsRouter(Buffer.from(bytes, "latin1"));
      if (verdict === "pass") assert.deepEqual([requests.length, refused], [1, null], name);
      else assert.notEqual(refused, null, name);
      await agree(Buffer.from(bytes, "latin1"), name);
    }
  });

  it(`${runs} connections with a few bytes changed: ours is only ever the stricter`, async () => {
    const cases = fc.sample(connection, { seed, numRuns: runs });
    for (let index = 0; index < cases.length; index += abreast)
      await Promise.all(cases.slice(index, index + abreast).map((bytes) => agree(bytes, `case ${index}`)));
    const taken = cases.filter((bytes) => readAsRouter(bytes).requests.length > 0).length;
    assert.ok(taken > runs / 5, `the cases test something: ${taken} hold a request that is taken`);
  });

  it("where the bytes are cut makes no difference", () => {
    fc.assert(
      fc.property(connection, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 }), (bytes, cuts) => {
        const whole = readAsRouter(bytes);
        // A reader that sees only a part waits, refuses what the whole is refused for, or has taken the same requests.
        for (const cut of cuts) {
          const part = readAsRouter(bytes.subarray(0, Math.floor(cut * bytes.length)));
          assert.deepEqual(part.requests, whole.requests.slice(0, part.requests.length));
          if (part.refused !== null) assert.equal(part.requests.length, whole.requests.length);
          if (part.refused !== null) assert.notEqual(whole.refused, null);
        }
      }),
      { seed, numRuns: 500 },
    );
  });
});
