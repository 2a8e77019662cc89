import { X509Certificate } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import type { Logger } from "../../common/log.ts";

/** How often the files are looked at: a renewed certificate is in use this soon. */
const lookEveryMs = 2_000;
/** Pairs of files in the folder; each is a certificate for up to some hundred names. */
const maxPairs = 1_000;

/** One certificate with its key, as last read. */
interface Pair {
  /** What tells one writing of the files from the next. */
  readonly mark: string;
  readonly context: SecureContext;
  readonly certificate: X509Certificate;
}

/**
 * The certificates of a folder, each a pair `<name>.crt` (PEM, the chain behind it) and `<name>.key` (PEM). What hosts a pair is for stands in the
 * certificate. The folder is looked at again and again: a new or renewed pair is used from the next handshake on, without a restart. A pair that
 * cannot be read, or whose key is another's, is logged, and what it was before goes on serving.
 */
export class Certificates {
  readonly #folder: string;
  readonly #log: Logger;
  #pairs = new Map<string, Pair>();
  /** By host name, or by what follows the first label of a wildcard name, with its dot. */
  #byName = new Map<string, Pair>();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  /** Pairs that could not be read, since the process began. */
  refused = 0;

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  get count(): number {
    return this.#pairs.size;
  }

  /** When the first of them ends, in milliseconds since the epoch; null without any. */
  get firstEnd(): number | null {
    let first: number | null = null;
    for (const { certificate } of this.#pairs.values()) {
      const end = certificate.validToDate.getTime();
      if (first === null || end < first) first = end;
    }
    return first;
  }

  /** Reads the folder, and from then on looks at it again and again. @throws where the folder cannot be read now. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => {
      this.look().catch((error: unknown) => this.#log.error({ event: "certificates-unreadable", err: error }));
    }, lookEveryMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** @param name what the client asks for (SNI), in any case. @returns undefined where no certificate is for it. */
  contextFor(name: string): SecureContext | undefined {
    const host = name.toLowerCase();
    const found = this.#byName.get(host) ?? this.#byName.get(host.slice(Math.max(0, host.indexOf("."))));
    return found?.context;
  }

  /** Looks at the folder now; one look at a time. @throws where it cannot be read. */
  look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #read(): Promise<void> {
    const names = (await readdir(this.#folder))
      .filter((file) => file.endsWith(".crt"))
      .map((file) => file.slice(0, -".crt".length))
      .toSorted();
    const pairs = new Map<string, Pair>();
    for (const name of names.slice(0, maxPairs)) {
      const before = this.#pairs.get(name);
      const pair = await this.#readPair(name, before);
      if (pair !== undefined) pairs.set(name, pair);
    }
    if (names.length > maxPairs)
      this.#log.error({ event: "too-many-certificates", count: names.length, taken: maxPairs });
    this.#pairs = pairs;
    this.#byName = namesOf(pairs.values());
  }

  async #readPair(name: string, before: Pair | undefined): Promise<Pair | undefined> {
    const files = [join(this.#folder, `${name}.crt`), join(this.#folder, `${name}.key`)] as const;
    try {
      const marks = await Promise.all(files.map((file) => stat(file)));
      const mark = marks.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join();
      if (mark === before?.mark) return before;
      const [cert, key] = await Promise.all(files.map((file) => readFile(file)));
      const context = createSecureContext({ cert, key, minVersion: "TLSv1.2" });
      const certificate = new X509Certificate(cert ?? "");
      this.#log.info({
        event: "certificate-read",
        pair: name,
        names: hostsOf(certificate),
        until: certificate.validTo,
      });
      return { mark, context, certificate };
    } catch (error) {
      this.refused += 1;
      this.#log.error({ event: "certificate-refused", pair: name, keptBefore: before !== undefined, err: error });
      return before;
    }
  }
}

/** Of two certificates for a name the one that ends later is used: it is the renewed one. */
function namesOf(pairs: Iterable<Pair>): Map<string, Pair> {
  const byName = new Map<string, Pair>();
  for (const pair of pairs) {
    for (const host of hostsOf(pair.certificate)) {
      const name = host.startsWith("*.") ? host.slice(1) : host;
      const other = byName.get(name);
      if (other === undefined || other.certificate.validToDate < pair.certificate.validToDate) byName.set(name, pair);
    }
  }
  return byName;
}

/** DNS names of a certificate's subjectAltName; common names have long been ignored (RFC 9525, section 2). */
function hostsOf(certificate: X509Certificate): string[] {
  return (certificate.subjectAltName ?? "")
    .split(", ")
    .filter((entry) => entry.startsWith("DNS:"))
    .map((entry) => entry.slice("DNS:".length).toLowerCase());
}
