import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { FleetBundle } from "../../../common/fleet/bundle.ts";
import { CompactRows } from "../../../common/fleet/compact/rows.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope } from "../../../common/fleet/envelope.ts";
import { SealedBundle } from "../../../common/fleet/sealed-bundle.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { documentRows, keyRowOf, tenantRowOf, uuidOf } from "../../support/fleet-rows.ts";

describe("the table on disk", () => {
  const folders: string[] = [];
  const publisher = generateSigningKey();
  const key = generateSigningKey();
  const rows = documentRows(50, { keys: true });
  const unused = sealEnvelope({}, publisher);
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cellplane-table-"));
    folders.push(directory);
    path = join(directory, "fleet.table");
  });
  after(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  const bundle = () => new SealedBundle(directory, key);
  const document = () => FleetDocument.into(new CompactRows(), rows, { term: 1, n: 1 });

  /** Changes one tenant in the document and appends the delta. */
  function change(at: number, epoch: number, of: FleetDocument<CompactRows>, into: SealedBundle): void {
    const from = of.generation;
    const to = { term: 1, n: from.n + 1 };
    const name = `tenant/${uuidOf(at)}`;
    const changes = { [name]: tenantRowOf(at, { epoch }) };
    const { hash } = FleetDocument.of({ ...plain(of), ...changes }, to);
    assert.ok(of.apply(changes, to, hash) !== null);
    into.append(sealEnvelope({ kind: "delta", from, to, hash, changes }, publisher));
  }

  function plain(of: FleetDocument): Record<string, unknown> {
    return Object.fromEntries(Object.keys(rows).map((name) => [name, of.row(name)]));
  }

  async function written(changes: number): Promise<FleetDocument<CompactRows>> {
    const made = document();
    const into = bundle();
    await into.save(unused, made, [publisher.spki]);
    for (let n = 0; n < changes; n += 1) change(n, n + 2, made, into);
    return made;
  }

  it("is the document again: rows, generation, hash, keys, and the log behind it", async () => {
    const made = await written(3);
    const loaded = bundle().load();
    assert.ok(loaded !== null);
    assert.deepEqual(loaded.keys, [publisher.spki]);
    assert.equal(loaded.torn, false);
    assert.deepEqual(loaded.document.generation, { term: 1, n: 4 });
    assert.equal(loaded.document.hash, made.hash);
    assert.deepEqual(plain(loaded.document), plain(made));
    assert.equal(FleetDocument.of(plain(loaded.document), { term: 1, n: 4 }).hash, made.hash);
  });

  it("a change is appended, and no change rewrites what is there; when the log is a quarter of the whole, it is folded in", async () => {
    const made = await written(0);
    const into = bundle();
    into.load();
    const image = readFileSync(path);
    for (let n = 0; n < 40; n += 1) change(n, n + 2, made, into);
    assert.ok(readFileSync(path).subarray(0, image.length).equals(image));
    assert.equal(into.full, false, "a short log is not worth it");
    const reason = "x".repeat(500_000);
    for (let n = 0; n < 9; n += 1) {
      const from = made.generation;
      const changes = { [`tenant/${uuidOf(n)}`]: tenantRowOf(n, { state: "suspended", reason }) };
      const to = { term: 1, n: from.n + 1 };
      const { hash } = FleetDocument.of({ ...plain(made), ...changes }, to);
      assert.ok(made.apply(changes, to, hash) !== null);
      into.append(sealEnvelope({ kind: "delta", from, to, hash, changes }, publisher));
    }
    assert.equal(into.full, true);
    await into.fold(made, [publisher.spki]);
    assert.equal(into.full, false);
    assert.equal(into.bytes.log, 0);
    assert.equal(bundle().load()?.document.hash, made.hash);
  });

  it("a torn or changed end of the log is cut off; what came before it counts, and what is appended then, too", async () => {
    const made = await written(2);
    const good = readFileSync(path);
    for (const spoilt of [
      Buffer.concat([good, Buffer.from("0123")]),
      Buffer.concat([good, Buffer.from(`${"0".repeat(64)} {}\n`)]),
      good.subarray(0, -5),
    ]) {
      writeFileSync(path, spoilt);
      const again = bundle();
      const loaded = again.load();
      assert.equal(loaded?.torn, true);
      const n = spoilt.length < good.length ? 2 : 3;
      assert.equal(loaded.document.generation.n, n);
      change(9, 9, loaded.document, again);
      assert.equal(bundle().load()?.document.generation.n, n + 1);
    }
    assert.equal(made.generation.n, 3);
  });

  it("lines of the log that are exchanged, left out or repeated end it there", async () => {
    const made = await written(0);
    const image = readFileSync(path);
    const into = bundle();
    into.load();
    for (let n = 0; n < 3; n += 1) change(n, n + 2, made, into);
    const log = readFileSync(path).subarray(image.length).toString("latin1");
    const [a, b, c] = log.split("\n") as [string, string, string];
    for (const [lines, n] of [
      [[b, a, c], 1],
      [[a, c], 2],
      [[a, a, b, c], 2],
      [[b, c], 1],
    ] as const) {
      writeFileSync(path, Buffer.concat([image, Buffer.from(`${lines.join("\n")}\n`, "latin1")]));
      assert.equal(bundle().load()?.document.generation.n, n);
    }
  });

  it("is refused where a byte of head, side or image was changed, where it is cut off, and where another's key sealed it", async () => {
    await written(0);
    const good = readFileSync(path);
    const head = good.indexOf(0x0a);
    for (const at of [0, 70, head - 3, head + 5, head + 400, good.length - 40, good.length - 1]) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] as number) ^ 1;
      writeFileSync(path, bad);
      assert.throws(() => bundle().load(), { name: "EnvelopeRefused" }, `byte ${at}`);
    }
    writeFileSync(path, good);
    for (const length of [0, 10, head, head + 10, good.length - 1]) {
      truncateSync(path, length);
      assert.throws(() => bundle().load(), { name: "EnvelopeRefused" }, `${length} bytes`);
      writeFileSync(path, good);
    }
    assert.throws(() => new SealedBundle(directory, generateSigningKey()).load(), { reason: "bad-signature" });
    assert.equal(bundle().load()?.document.generation.n, 1);
  });

  it("a router that wakes after an upgrade boots from what the release before it kept, and replaces it", async () => {
    const generation = { term: 1, n: 7 };
    const { hash } = FleetDocument.of(rows, generation);
    new FleetBundle(directory).writeSnapshot(sealEnvelope({ kind: "snapshot", generation, hash, rows }, publisher), [
      publisher.spki,
    ]);
    const upgraded = bundle();
    const loaded = upgraded.load();
    assert.equal(loaded?.document.hash, hash);
    assert.equal(upgraded.full, true, "nothing is appended to what is not there");
    await upgraded.fold(loaded.document, loaded.keys);
    assert.ok(!existsSync(join(directory, "fleet.log")));
    assert.deepEqual(
      bundle()
        .load()
        ?.document.row(`key/${keyRowOf(3).digest}`),
      keyRowOf(3),
    );
  });

  it("nothing there is no error; a draft that a crash left behind neither", async () => {
    assert.equal(bundle().load(), null);
    await written(1);
    appendFileSync(`${path}.draft`, "half");
    assert.equal(bundle().load()?.document.generation.n, 2);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });
});
