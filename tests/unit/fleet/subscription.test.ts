import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { systemClock, type Clock } from "../../../common/clock.ts";
import type { Envelope } from "../../../common/contracts/fleet.ts";
import { FleetBundle } from "../../../common/fleet/bundle.ts";
import { FleetDocument } from "../../../common/fleet/document.ts";
import { sealEnvelope } from "../../../common/fleet/envelope.ts";
import type { DocumentKeeper } from "../../../common/fleet/kept.ts";
import { MapRows } from "../../../common/fleet/rows.ts";
import { FleetSubscription } from "../../../common/fleet/subscription.ts";
import { generateSigningKey, type SigningKey } from "../../../common/keys.ts";
import { createLog } from "../../../common/log.ts";

const log = createLog("test", "silent");

/** A publisher as the control plane is one, over real HTTP: signed snapshot, signed deltas, checks. */
class Publisher {
  readonly key: SigningKey = generateSigningKey();
  readonly rows: Record<string, unknown> = { "settings/fleet": { baseDomain: "example.test", application: "pulse" } };
  n = 0;
  signer = this.key;
  readonly streams = new Set<ServerResponse>();
  snapshots = 0;
  readonly server = createServer((request, response) => {
    if (request.url === "/v1/fleet/snapshot") {
      this.snapshots += 1;
      response.end(JSON.stringify(this.snapshot()));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    this.streams.add(response);
    response.on("close", () => this.streams.delete(response));
    this.send("check", { generation: { term: 1, n: this.n }, hash: this.document().hash });
  });

  document(): FleetDocument {
    return FleetDocument.of(this.rows, { term: 1, n: this.n });
  }
  snapshot(): Envelope {
    return sealEnvelope(
      { kind: "snapshot", generation: { term: 1, n: this.n }, hash: this.document().hash, rows: this.rows },
      this.signer,
    );
  }
  /** Changes one row and returns the delta's envelope, without sending it. */
  change(name: string, value: unknown): Envelope {
    const from = { term: 1, n: this.n };
    this.n += 1;
    if (value === null) delete this.rows[name];
    else this.rows[name] = value;
    return sealEnvelope(
      { kind: "delta", from, to: { term: 1, n: this.n }, hash: this.document().hash, changes: { [name]: value } },
      this.signer,
    );
  }
  send(event: string, data: unknown): void {
    for (const stream of this.streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }
  async listen(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.server.listen(0, "127.0.0.1", resolve);
    });
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500; i++) {
    if (condition()) return;
    await wait(10);
  }
  assert.fail(`waited in vain until ${what}`);
}

describe("a subscription to the fleet document", () => {
  const folders: string[] = [];
  const open: { stop(): Promise<void> }[] = [];
  const publishers: Publisher[] = [];
  let publisher: Publisher;
  let url: string;
  let directory: string;

  beforeEach(async () => {
    publisher = new Publisher();
    publishers.push(publisher);
    url = await publisher.listen();
    directory = mkdtempSync(join(tmpdir(), "cellplane-fleet-"));
    folders.push(directory);
  });
  after(async () => {
    for (const subscription of open) await subscription.stop();
    for (const each of publishers) each.close();
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  function subscribe(address = url, trustKeys = [publisher.key.spki]): FleetSubscription {
    const subscription = new FleetSubscription({
      url: address,
      part: "router-1",
      key: generateSigningKey(),
      trustKeys,
      keeper: new FleetBundle(directory),
      createRows: () => new MapRows(),
      clock: systemClock,
      log,
    });
    open.push(subscription);
    subscription.start();
    return subscription;
  }

  it("follows deltas in order and keeps them on disk, so that it boots with the control plane dead", async () => {
    const subscription = subscribe();
    await subscription.ready();
    await until("it follows", () => subscription.status.state === "following" && publisher.streams.size === 1);
    publisher.send("delta", publisher.change("cell/cell-1", { id: "cell-1" }));
    publisher.send("delta", publisher.change("cell/cell-2", { id: "cell-2" }));
    await until("both deltas are there", () => subscription.status.generation?.n === 2);
    await subscription.stop();
    publisher.close();

    const again = subscribe("http://127.0.0.1:9");
    assert.equal(again.status.source, "disk");
    assert.deepEqual(again.document?.generation, { term: 1, n: 2 });
    assert.deepEqual(again.document?.row("cell/cell-2"), { id: "cell-2" });
    assert.equal(again.status.ageSeconds, Number.POSITIVE_INFINITY);
  });

  it("fetches the snapshot when a generation is missing", async () => {
    const subscription = subscribe();
    await subscription.ready();
    await until("it listens", () => publisher.streams.size === 1);
    publisher.change("cell/cell-1", { id: "cell-1" });
    publisher.send("delta", publisher.change("cell/cell-2", { id: "cell-2" }));
    await until("the gap is closed", () => subscription.status.generation?.n === 2);
    assert.equal(subscription.status.refused["gap"], 1);
    assert.equal(publisher.snapshots, 2);
  });

  it("refuses a delta of a stranger, one whose hash does not fit, and an older one; the document stays", async () => {
    const subscription = subscribe();
    await subscription.ready();
    await until("it listens", () => publisher.streams.size === 1);
    const before = subscription.document?.hash;
    const old = publisher.change("cell/cell-1", { id: "cell-1" });
    publisher.send("delta", old);
    await until("the first is there", () => subscription.status.generation?.n === 1);
    publisher.send("delta", old);
    await until("the older one was refused", () => subscription.status.refused["older"] === 1);
    publisher.signer = generateSigningKey();
    publisher.send("delta", publisher.change("cell/cell-3", { id: "cell-3" }));
    await until("the stranger was refused", () => (subscription.status.refused["unknown-key"] ?? 0) >= 1);
    assert.equal(subscription.status.generation?.n, 1);
    assert.notEqual(subscription.document?.hash, before);
  });

  it("finds out by the check that its document differs, and mends it", async () => {
    const subscription = subscribe();
    await subscription.ready();
    await until("it listens", () => publisher.streams.size === 1);
    publisher.rows["settings/fleet"] = { baseDomain: "changed.test", application: "pulse" };
    publisher.send("check", { generation: { term: 1, n: 0 }, hash: publisher.document().hash });
    await until(
      "it is mended",
      () => JSON.stringify(subscription.document?.row("settings/fleet"))?.includes("changed.test") === true,
    );
    assert.equal(subscription.status.refused["wrong-hash"], 1);
  });

  it("takes over the publisher's new key from the document and boots by it later", async () => {
    const next = generateSigningKey();
    const subscription = subscribe();
    await subscription.ready();
    await until("it listens", () => publisher.streams.size === 1);
    const row = { id: "publisher", role: "publisher", keys: [publisher.key.spki, next.spki], url: null };
    publisher.send("delta", publisher.change("part/publisher", row));
    await until("the new key is known", () => subscription.status.generation?.n === 1 && publisher.snapshots === 2);
    await until("it listens again", () => publisher.streams.size === 1);
    publisher.signer = next;
    publisher.send("delta", publisher.change("cell/cell-9", { id: "cell-9" }));
    await until("a delta by the new key is there", () => subscription.status.generation?.n === 2);
    await subscription.stop();
    const again = subscribe("http://127.0.0.1:9");
    assert.equal(again.status.generation?.n, 2);
  });

  it("does without a torn last line, and refuses a snapshot on disk that was changed", () => {
    const bundle = new FleetBundle(directory);
    bundle.writeSnapshot(publisher.snapshot(), [publisher.key.spki]);
    bundle.appendDelta(publisher.change("cell/cell-1", { id: "cell-1" }));
    appendFileSync(join(directory, "fleet.log"), '{"payload":"{\\"kind');
    const loaded = new FleetBundle(directory).load();
    assert.equal(loaded?.torn, true);
    assert.equal(loaded?.document.generation.n, 1);
    bundle.appendDelta(publisher.change("cell/cell-2", { id: "cell-2" }));
    assert.equal(
      new FleetBundle(directory).load()?.document.generation.n,
      2,
      "what is appended after a torn line counts",
    );

    const path = join(directory, "fleet.log");
    writeFileSync(path, readFileSync(path, "utf8").replace("example.test", "evil000.test"));
    assert.throws(() => new FleetBundle(directory).load(), /signature does not fit/);
  });

  /** A keeper that notes what is asked of it, on a disk that may be full. */
  class NotingKeeper implements DocumentKeeper<MapRows> {
    readonly anewFrom = "memory" as const;
    readonly done: string[] = [];
    broken = false;
    full = false;
    load(): null {
      return null;
    }
    async save(): Promise<void> {
      this.#note("save");
    }
    append(): void {
      this.#note("append");
    }
    keysChanged(): void {
      this.#note("keys");
    }
    async fold(): Promise<void> {
      this.#note("fold");
      this.full = false;
    }
    #note(what: string): void {
      if (this.broken) throw new Error("ENOSPC");
      this.done.push(what);
    }
  }

  function keepWith(keeper: NotingKeeper, clock: Clock = systemClock, maxSnapshotBytes?: number): FleetSubscription {
    const subscription = new FleetSubscription({
      url,
      part: "router-1",
      key: generateSigningKey(),
      trustKeys: [publisher.key.spki],
      keeper,
      createRows: () => new MapRows(),
      clock,
      log,
      ...(maxSnapshotBytes === undefined ? {} : { maxSnapshotBytes }),
    });
    open.push(subscription);
    subscription.start();
    return subscription;
  }

  it("folds the log into the file when its keeper says that it is long, between two deltas, and asks for no snapshot", async () => {
    const keeper = new NotingKeeper();
    const subscription = keepWith(keeper);
    await until("it listens", () => publisher.streams.size === 1);
    publisher.send("delta", publisher.change("cell/cell-1", { id: "cell-1" }));
    await until("it follows", () => subscription.status.generation?.n === 1);
    keeper.full = true;
    publisher.send("delta", publisher.change("cell/cell-2", { id: "cell-2" }));
    await until("it was folded", () => keeper.done.includes("fold"));
    publisher.send("delta", publisher.change("cell/cell-3", { id: "cell-3" }));
    await until("it goes on", () => subscription.status.generation?.n === 3);
    assert.deepEqual(keeper.done, ["save", "append", "append", "fold", "append"]);
    assert.equal(publisher.snapshots, 1);
  });

  it("a disk that takes nothing keeps it from nothing: it follows, says so, and keeps all again when there is room", async () => {
    const keeper = new NotingKeeper();
    const clock: Clock & { ms: number } = { ms: 0, now: () => Date.now(), monotonic: () => clock.ms };
    const subscription = keepWith(keeper, clock);
    await until("it listens", () => publisher.streams.size === 1);
    keeper.broken = true;
    publisher.send("delta", publisher.change("cell/cell-1", { id: "cell-1" }));
    publisher.send("delta", publisher.change("cell/cell-2", { id: "cell-2" }));
    await until("it follows", () => subscription.status.generation?.n === 2);
    assert.deepEqual([subscription.status.kept, subscription.status.notKept], [false, 1]);
    assert.deepEqual(subscription.status.refused, {});
    clock.ms += 31_000;
    publisher.send("delta", publisher.change("cell/cell-3", { id: "cell-3" }));
    await until("it was tried again", () => subscription.status.notKept === 2);
    keeper.broken = false;
    clock.ms += 31_000;
    publisher.send("delta", publisher.change("cell/cell-4", { id: "cell-4" }));
    await until("it is kept again", () => subscription.status.kept);
    assert.deepEqual(keeper.done, ["save", "fold"], "what is missing in the log is never appended to");
  });

  it("refuses a snapshot that is larger than it can take before it has read it all", async () => {
    const subscription = keepWith(new NotingKeeper(), systemClock, 100);
    await until("it was refused", () => (subscription.status.refused["oversized"] ?? 0) > 0);
    assert.equal(subscription.document, null);
    assert.ok(subscription.status.refusedAgoSeconds < 60);
  });
});
