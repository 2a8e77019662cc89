import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { corpus } from "../../support/http/corpus.ts";
import { readAsRouter } from "../../support/http/ours.ts";
import { Bed } from "./bed.ts";
import { ask } from "./client.ts";

/** Sends bytes, ends the client's side, and gives back all that comes until the router ends its own. */
function exchange(port: number, bytes: Buffer): Promise<{ readonly text: string; readonly ended: boolean }> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    let text = "";
    let ended = false;
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("end", () => {
      ended = true;
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve({ text, ended }));
    socket.end(bytes);
  });
}

describe("the corpus, against router and cell together", () => {
  const bed = new Bed();
  before(async () => {
    await bed.start();
    // With a parameter: the played cell then reads the body of a GET too.
    bed.one.script = (_received) => false;
  });
  after(() => bed.stop());

  for (const { name, bytes, verdict, rule } of corpus) {
    it(`${name}: ${verdict} (${rule})`, async () => {
      bed.one.received.length = 0;
      const sent = Buffer.from(bytes, "latin1");
      const { text, ended } = await exchange(bed.port, sent);
      assert.ok(ended, "ended, not reset");
      assert.equal(text.match(/HTTP\/1\.1 \d{3} /g)?.length, 1, text);
      if (verdict !== "pass") {
        assert.match(text, new RegExp(`^HTTP/1\\.1 ${verdict} `));
        assert.match(text, /\r\nconnection: close\r\n/);
        assert.equal(bed.one.received.length, 0, "no cell has seen it whole");
        return;
      }
      assert.match(text, /^HTTP\/1\.1 200 /);
      const [asked] = readAsRouter(sent).requests;
      const [got] = bed.one.received;
      assert.ok(asked !== undefined && got !== undefined && bed.one.received.length === 1);
      // What both believe about the message agrees: method, path, body, and who is asking.
      assert.equal(got.method, asked.method);
      assert.equal(got.url, asked.target.replace(/^http:\/\/[^/?]*\/?/, "/"));
      assert.equal(Buffer.from(got.body).toString("latin1"), asked.body);
      assert.notEqual(got.assertion, null);
      assert.ok(!got.rawHeaders.includes("forged"));
      assert.equal(got.rawHeaders.filter((field) => field.toLowerCase() === "host").length, 1);
    });
  }

  it("serves on after all of this, with nothing in flight", async () => {
    assert.equal((await ask(bed.port)).status, 200);
    assert.match(
      (await bed.admin("/v1/status")).text,
      /"cell":"cell-1","liveSlot":"a","breaker":"closed","inFlight":0/,
    );
  });
});
