import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Gather, type Sink } from "../../../router/wire/gather.ts";

/** A socket that is slow when it is told to: what it keeps is the memory that it was given. */
class SlowSink implements Sink {
  slow = false;
  readonly kept: { readonly bytes: Buffer; readonly done: (() => void) | undefined }[] = [];
  sent = "";
  get writableLength(): number {
    return this.kept.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }
  get writableNeedDrain(): boolean {
    return this.writableLength > 1_000;
  }
  write(bytes: Buffer, done?: () => void): boolean {
    if (this.slow || this.kept.length > 0) this.kept.push({ bytes, done });
    else {
      this.sent += bytes.toString("latin1");
      done?.();
    }
    return !this.writableNeedDrain;
  }
  /** What was kept is out, as it is in memory now. */
  drain(): void {
    for (const { bytes, done } of this.kept.splice(0)) {
      this.sent += bytes.toString("latin1");
      done?.();
    }
  }
}

describe("what gathers for a write", () => {
  it("goes out in the order in which it came, in one write, and its memory is used again", () => {
    const gather = new Gather();
    const sink = new SlowSink();
    const long = Buffer.from("y".repeat(100));
    for (let round = 0; round < 3; round += 1) {
      gather.text("short ");
      gather.text("z".repeat(30));
      gather.run(long, 98, 100);
      gather.all(long);
      const at = gather.peek();
      assert.equal(gather.length, at.length);
      assert.equal(gather.sendTo(sink), true);
      assert.equal(sink.sent, `short ${"z".repeat(30)}yy${"y".repeat(100)}`);
      assert.equal(gather.length, 0);
      gather.text("next");
      assert.equal(at.toString("latin1", 0, 4), "next", "the same memory");
      gather.clear();
      sink.sent = "";
    }
    gather.sendTo(sink);
    assert.equal(sink.sent, "", "nothing is no write");
  });

  it("stays as it is while a write is not over, however much is written elsewhere since", () => {
    const gather = new Gather();
    const slow = new SlowSink();
    const fast = new SlowSink();
    slow.slow = true;
    let wanted = "";
    let wantedFast = "";
    for (let round = 0; round < 500; round += 1) {
      const bytes = round % 50 === 0 ? 20_000 + round : 300 + round;
      const text = String.fromCharCode(97 + (round % 26)).repeat(bytes);
      gather.text(text);
      const more = gather.sendTo(slow);
      assert.equal(more, slow.writableLength <= 1_000);
      wanted += text;
      gather.text(text.toUpperCase());
      gather.sendTo(fast);
      wantedFast += text.toUpperCase();
      if (round % 100 === 99) {
        slow.drain();
        assert.ok(slow.sent === wanted);
      }
    }
    slow.drain();
    assert.ok(slow.sent === wanted);
    assert.ok(fast.sent === wantedFast);
  });

  it("grows beyond its block", () => {
    const gather = new Gather();
    const sink = new SlowSink();
    const piece = Buffer.from("0123456789".repeat(5_000));
    for (let round = 0; round < 5; round += 1) gather.all(piece);
    gather.sendTo(sink);
    assert.ok(sink.sent === piece.toString().repeat(5));
  });
});
