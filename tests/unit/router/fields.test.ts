import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { endOfHead, forwardedLines, headToCell, linesToClient, wordsOfCell } from "../../../router/guard/fields.ts";
import { checkHead } from "../../../router/guard/head.ts";
import { Ids } from "../../../router/guard/trace.ts";
import { framingOfAnswer, type AnswerHead } from "../../../router/wire/answer-head.ts";
import { AnswerParser } from "../../../router/wire/answer-parser.ts";
import { isInternal } from "../../../router/wire/field-names.ts";
import { Gather } from "../../../router/wire/gather.ts";
import type { RequestParser } from "../../../router/wire/request-parser.ts";
import { linesOf, parsedHead } from "../../support/http/heads.ts";

describe("fields", () => {
  const given = `00-${"a".repeat(32)}-${"b".repeat(16)}-00`;
  /** The lines for the cell, name and value each. */
  const toCell = (
    fields: string[],
    peerTrusted = false,
    since?: (parser: RequestParser) => void,
  ): [string, string][] => {
    const parser = parsedHead({ fields });
    const checked = checkHead(parser);
    since?.(parser);
    const sender = {
      peer: "10.0.0.1",
      peerTrusted,
      proto: "http",
      forwardedLines: forwardedLines("10.0.0.1", "http"),
    } as const;
    const ids = new Ids(checked.requestId ?? "r", given);
    const out = new Gather();
    headToCell(checked, ids, sender, false, out);
    endOfHead("record", out);
    const text = out.peek().toString("latin1");
    assert.ok(text.endsWith("\r\ncellplane-release-record: record\r\n\r\n"));
    const [line, ...lines] = text.split("\r\n").slice(0, -3);
    assert.equal(line, "GET / HTTP/1.1");
    return lines.map((each) => [each.split(": ", 1)[0] ?? "", each.slice(each.indexOf(": ") + 2)]);
  };

  it("of our own are known in every spelling", () => {
    const internal = (names: readonly string[]) => {
      const { fields } = parsedHead({ fields: ["Host", "acme.example", ...names.flatMap((name) => [name, "x"])] });
      return names.filter((_, index) => isInternal(fields.kind(index + 1)));
    };
    const ours = ["cellplane-assertion", "cellplane_assertion", "CELLPLANE_Slot", "cellplane-a_b", "cellplane_"];
    assert.deepEqual(internal(ours), ours);
    assert.deepEqual(internal(["cellplane", "x-cellplane-a", "cellplanes-a", "__proto__", "constructor"]), []);
  });

  it("are told apart by their bytes, however many there are: names that share a place share nothing else", () => {
    for (let round = 0; round < 3; round += 1) {
      for (let first = 0; first < 20_000; first += 100) {
        const names = Array.from({ length: 100 }, (_, index) => `x-${(first + index).toString(36)}`);
        const { fields } = parsedHead({ fields: ["Host", "acme.example", ...names.flatMap((name) => [name, "x"])] });
        assert.deepEqual(
          names.map((_, index) => fields.name(index + 1)),
          names,
        );
      }
    }
  });

  it("framing and host stand once and are ours, whatever Connection names", () => {
    const out = toCell([
      "Host",
      "acme.example",
      "Connection",
      "host, content-length, x-request-id, traceparent, x-forwarded-for",
      "Content-Length",
      "7",
      "X-Request-Id",
      "evil",
    ]);
    assert.deepEqual(out, [
      ["Host", "acme.example"],
      ["x-forwarded-for", "10.0.0.1"],
      ["x-forwarded-proto", "http"],
      ["x-forwarded-host", "acme.example"],
      ["x-request-id", "evil"],
      ["traceparent", given],
      ["content-length", "7"],
    ]);
  });

  it("are read once more where another head was parsed since, whole or in part", () => {
    const sent = ["X-A", "1", "Host", "acme.example", "Accept", "text/html", "TE", "trailers", "X-B", "2"];
    for (const other of [
      "GET /other HTTP/1.1\r\nHost: evil.example\r\nX-A: 3\r\n\r\n",
      "POST /other HTTP/1.1\r\nHo",
      "PU",
    ]) {
      const bytes = Buffer.from(other);
      const out = toCell(sent, false, (parser) => parser.parse(bytes, 0, bytes.length));
      assert.deepEqual(out.slice(0, 7), toCell(sent).slice(0, 7), other);
    }
    const parser = parsedHead({ target: "/a?b=c", fields: sent });
    const checked = checkHead(parser);
    parser.parse(Buffer.from("PUT /x HTTP/1.1\r\nHost: b\r\n\r\n"), 0, 28);
    assert.deepEqual(
      [checked.method, checked.target, checked.hostField, checked.accept],
      ["GET", "/a?b=c", "acme.example", "text/html"],
    );
  });

  it("new ids are well formed and never twice; what a client gives stands, where it is well formed", () => {
    const bothOf = (ids: Ids): string => {
      const out = new Gather();
      ids.bothLines(out);
      return out.peek().toString("latin1");
    };
    const seen = new Set<string>();
    for (let round = 0; round < 1_000; round += 1) {
      const ids = new Ids(undefined, round % 2 === 0 ? undefined : "00-none");
      assert.match(ids.request, /^[0-9a-f]{32}$/);
      assert.match(ids.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      assert.equal(bothOf(ids), `x-request-id: ${ids.request}\r\ntraceparent: ${ids.traceparent}\r\n`);
      for (const id of [ids.request, ...ids.traceparent.split("-").slice(1, 3)]) seen.add(id);
    }
    assert.equal(seen.size, 3_000);
    assert.match(
      bothOf(new Ids("mine", undefined)),
      /^x-request-id: mine\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n$/,
    );
    const theirs = new Ids("not an id", given);
    assert.deepEqual([theirs.request.length, theirs.traceparent, theirs.givenTrace], [32, given, given]);
    theirs.traceUnder("00-span");
    assert.equal(bothOf(theirs), `x-request-id: ${theirs.request}\r\ntraceparent: 00-span\r\n`);
  });

  it("that pass are copied in runs, whatever is cut out between them, in their order and spelling", () => {
    const out = toCell(["X-A", "1", "Host", "acme.example", "X-B", "2", "x-c", "  3 ", "TE", "trailers", "X-D", ""]);
    assert.deepEqual(
      out.filter(([name]) => /^x-[a-d]$/i.test(name)).map(([name, value]) => `${name}=${value.trim()}`),
      ["X-A=1", "X-B=2", "x-c=3", "X-D="],
    );
  });

  it("of a trusted proxy are kept, and its address is appended", () => {
    const sent = [
      "Host",
      "acme.example",
      "X-Forwarded-For",
      "1.1.1.1",
      "X-Forwarded-Proto",
      "https",
      "Forwarded",
      "for=1.1.1.1",
    ];
    const out = toCell(sent, true);
    const valuesOf = (wanted: string) =>
      out.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
    assert.deepEqual(valuesOf("x-forwarded-for"), ["1.1.1.1, 10.0.0.1"]);
    assert.deepEqual(valuesOf("x-forwarded-proto"), ["https"]);
    assert.deepEqual(valuesOf("forwarded"), ["for=1.1.1.1"]);
  });

  it("of a cell are taken apart; a slot or release that is none is nothing", () => {
    const parser = new AnswerParser();
    const lines = linesOf([
      "Cellplane-Slot",
      "c",
      "CELLPLANE-RELEASE",
      "pulse@2",
      "Cellplane-Not-Executed",
      "slot-not-live",
      "X-A",
      "1",
      "Keep-Alive",
      "timeout=5",
      "Cellplane_Secret",
      "x",
      "Content-Length",
      "0",
      "X-Hop",
      "2",
    ]);
    const answer = (version: string, more: string): AnswerHead => {
      const bytes = Buffer.from(`HTTP/${version} 200 Fine\r\n${lines}${more}\r\n`);
      parser.parse(bytes, 0, bytes.length);
      return framingOfAnswer(parser, "GET");
    };
    const linesOfAnswer = (head: AnswerHead, keepLength: boolean): string => {
      const out = new Gather();
      linesToClient(head, keepLength, out);
      return out.peek().toString("latin1");
    };
    const first = answer("1.1", "Connection: x-hop, content-length\r\n");
    assert.equal(linesOfAnswer(first, true), "HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 0\r\n");
    assert.deepEqual(structuredClone(wordsOfCell(first)), {
      release: "pulse@2",
      slot: null,
      notExecuted: "slot-not-live",
      leaseWord: null,
      stateless: null,
      eventStream: false,
      dated: false,
    });
    assert.equal(linesOfAnswer(answer("1.0", ""), false), "HTTP/1.1 200 Fine\r\nX-A: 1\r\nX-Hop: 2\r\n");
    const bytes = Buffer.from(
      "HTTP/1.1 200 OK\r\ncellplane-slot: b\r\ncellplane-release: pulse@20\r\ncontent-type: text/event-stream;x\r\ndate: x\r\n\r\n",
    );
    parser.parse(bytes, 0, bytes.length);
    const words = wordsOfCell(framingOfAnswer(parser, "GET"));
    assert.deepEqual(
      [words.slot, words.release, words.notExecuted, words.eventStream, words.dated],
      ["b", "pulse@20", null, true, true],
    );
  });
});
