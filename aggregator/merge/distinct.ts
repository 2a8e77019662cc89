import { hash } from "node:crypto";
import { cannotMerge } from "./errors.ts";

/**
 * The set of members seen, for counting distinct ones over buckets of time. Plain JSON, so that it is its own wire form.
 *
 * Up to `explicitLimit` members the hashes themselves are kept and the count is exact (but for 64-bit collisions);
 * beyond, it is a HyperLogLog of 2^12 registers, standard error 1.04/√4096 = 1.6 %. Keeping small sets explicit is
 * the scheme of Aggregate Knowledge's HLL storage format.
 *
 * Algorithm: Flajolet, Fusy, Gandouet, Meunier, "HyperLogLog", 2007; with 64-bit hashes no large-range correction is
 * needed (Heule, Nunkesser, Hall, "HyperLogLog in Practice", 2013).
 */
export type DistinctSketch =
  | { readonly form: "explicit"; readonly members: readonly string[] }
  | { readonly form: "registers"; readonly registers: string };

// 16 hexadecimal digits a member: at 256 members the explicit form is as large as the registers, so it ends there.
const explicitLimit = 256;

const indexBits = 12;
const registerCount = 1 << indexBits;
const hashBits = 64;

export const emptyDistinct: DistinctSketch = { form: "explicit", members: [] };

/** The sketch of the given members (of one tenant: names of two tenants must not be put into one sketch). */
export function distinctOf(members: Iterable<string>): DistinctSketch {
  const hashes = new Set<string>();
  for (const member of members) hashes.add(hash("sha256", member).slice(0, hashBits / 4));
  return compact(hashes, null);
}

/** The sketch of the union; commutative, associative, idempotent. */
export function mergeDistinct(sketches: readonly DistinctSketch[]): DistinctSketch {
  const hashes = new Set<string>();
  let registers: Uint8Array | null = null;
  for (const sketch of sketches) {
    if (sketch.form === "explicit") {
      for (const member of sketch.members) hashes.add(member);
      continue;
    }
    const other = decode(sketch.registers);
    registers ??= new Uint8Array(registerCount);
    for (let i = 0; i < registerCount; i += 1) {
      const rank = other[i] ?? 0;
      if (rank > (registers[i] ?? 0)) registers[i] = rank;
    }
  }
  return compact(hashes, registers);
}

/** How many distinct members: exact while the sketch is explicit, within about 1.6 % (one sigma) after. */
export function countDistinct(sketch: DistinctSketch): number {
  if (sketch.form === "explicit") return sketch.members.length;

  const registers = decode(sketch.registers);
  let harmonic = 0;
  let empty = 0;
  for (const rank of registers) {
    harmonic += 2 ** -rank;
    if (rank === 0) empty += 1;
  }
  const alpha = 0.7213 / (1 + 1.079 / registerCount);
  const raw = (alpha * registerCount * registerCount) / harmonic;
  // Linear counting is the better estimator while registers are sparsely filled (section 4 of the paper).
  const estimate = raw <= 2.5 * registerCount && empty > 0 ? registerCount * Math.log(registerCount / empty) : raw;
  return Math.round(estimate);
}

function compact(hashes: ReadonlySet<string>, registers: Uint8Array | null): DistinctSketch {
  if (registers === null && hashes.size <= explicitLimit) {
    return { form: "explicit", members: [...hashes].toSorted() };
  }
  const filled = registers ?? new Uint8Array(registerCount);
  for (const member of hashes) count(filled, member);
  return { form: "registers", registers: Buffer.from(filled).toString("base64") };
}

function count(registers: Uint8Array, member: string): void {
  const bits = BigInt(`0x${member}`);
  const index = Number(bits >> BigInt(hashBits - indexBits));
  const rest = bits & ((1n << BigInt(hashBits - indexBits)) - 1n);
  const significant = rest === 0n ? 0 : rest.toString(2).length;
  const rank = hashBits - indexBits - significant + 1;
  if (rank > (registers[index] ?? 0)) registers[index] = rank;
}

function decode(registers: string): Uint8Array {
  const bytes = Buffer.from(registers, "base64");
  if (bytes.length !== registerCount) {
    throw cannotMerge("different-parameters", `${bytes.length} registers instead of ${registerCount}`);
  }
  return bytes;
}
