import Type from "typebox";
import Value from "typebox/value";
import { Generation } from "../contracts/fleet.ts";
import type { KeyLookup } from "../tokens.ts";
import { FleetDocument } from "./document.ts";
import { EnvelopeRefused, verifyEnvelope } from "./envelope.ts";
import type { RowStore } from "./rows.ts";

/** So many rows are taken in at once; then whoever waits for this process has its turn. Some two milliseconds. */
const rowsAtOnce = 250;

const Head = Type.Object(
  {
    kind: Type.Literal("snapshot"),
    generation: Generation,
    hash: Type.String({ pattern: "^[0-9a-f]{64}$" }),
  },
  { additionalProperties: false },
);
const rowName = /^(?:tenant|key|cell|part|settings)\/./;
const rowsMember = ',"rows":{';

/**
 * Verifies a snapshot and takes its rows into a store, a few at a time, so that a router goes on serving while a million of them come.
 * @param store is empty; what it holds is of no use when this throws.
 * @throws EnvelopeRefused
 */
export async function readSnapshot<Rows extends RowStore>(
  envelope: unknown,
  keys: KeyLookup,
  store: Rows,
): Promise<FleetDocument<Rows>> {
  const payload = await verifyEnvelope(envelope, keys);
  // Canonical: members in the order of their names, so that `rows` is the last.
  const at = payload.indexOf(rowsMember);
  const head = at < 0 ? null : parsed(`${payload.slice(0, at)}}`);
  if (!Value.Check(Head, head) || !payload.endsWith("}}"))
    throw new EnvelopeRefused("malformed", "the payload is no snapshot in canonical JSON");
  const builder = FleetDocument.builder(store);
  let count = 0;
  for (const [name, text] of rowsIn(payload, at + rowsMember.length)) {
    if (!rowName.test(name)) throw new EnvelopeRefused("malformed", "a row has no name that a row has");
    builder.add(name, parsed(text));
    count += 1;
    if (count % rowsAtOnce === 0) await turn();
  }
  if (count === 0) throw new EnvelopeRefused("malformed", "an empty document");
  const document = builder.document(head.generation);
  if (document.hash !== head.hash)
    throw new EnvelopeRefused("wrong-hash", "the rows do not add up to the snapshot's hash");
  return document;
}

const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EnvelopeRefused("malformed", "the payload is not JSON", { cause });
  }
}

/** The members of an object in JSON without white space, name and value's text, from behind its brace to the end of the text but two braces. */
function* rowsIn(text: string, from: number): Generator<[name: string, value: string]> {
  const end = text.length - 2;
  let at = from;
  while (at < end) {
    if (text.charCodeAt(at) !== quote) throw new EnvelopeRefused("malformed", "a row has no name");
    const nameEnd = endOfString(text, at);
    if (text.charCodeAt(nameEnd) !== colon) throw new EnvelopeRefused("malformed", "a row has no value");
    const valueEnd = endOfValue(text, nameEnd + 1, end);
    yield [String(parsed(text.slice(at, nameEnd))), text.slice(nameEnd + 1, valueEnd)];
    if (valueEnd < end && (text.charCodeAt(valueEnd) !== comma || valueEnd + 1 === end))
      throw new EnvelopeRefused("malformed", "rows are not parted by commas");
    at = valueEnd + 1;
  }
}

const [quote, colon, comma, backslash] = [0x22, 0x3a, 0x2c, 0x5c];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

/** @returns where the text behind a string's closing quote begins. */
function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === backslash) at += 1;
    else if (code === quote) return at + 1;
  }
  throw new EnvelopeRefused("malformed", "a text without an end");
}

function endOfValue(text: string, from: number, end: number): number {
  let depth = 0;
  let at = from;
  while (at < end) {
    const code = text.charCodeAt(at);
    if (code === quote) {
      at = endOfString(text, at);
      continue;
    }
    if (code === openBrace || code === openBracket) depth += 1;
    else if (code === closeBrace || code === closeBracket) depth -= 1;
    else if (code === comma && depth === 0) return at;
    if (depth < 0) break;
    at += 1;
  }
  return Math.min(at, end);
}
