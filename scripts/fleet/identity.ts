import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { homePaths } from "../../common/contracts/home.ts";
import { ensureSigningKey, type SigningKey } from "../../common/keys.ts";

/** The parts of a fleet on one machine that have a key of their own; each cell has one too. */
export const partNames = ["publisher", "control-plane", "worker", "router-1", "aggregator"] as const;
export type PartName = (typeof partNames)[number];

/** Keys, tokens and passwords of a home, made on first use, each in a file that only the owner can read. */
export class Identity {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  /** Where the private key of a part or cell lies. */
  keyFile(name: string): string {
    return join(this.#home, homePaths.keys, `${name}.pem`);
  }

  key(name: string): SigningKey {
    return ensureSigningKey(this.keyFile(name));
  }

  /** The operator's token that the command line signs in with. */
  operatorToken(): string {
    return this.#secret(homePaths.operatorToken, () => `cpo_${randomBytes(32).toString("base64url")}`);
  }

  /** SHA-256 of the operator's token: all that the control plane is told of it. */
  operatorTokenDigest(): string {
    return createHash("sha256").update(this.operatorToken()).digest("hex");
  }

  /** The password of a database of the plane. */
  databasePassword(database: "registry" | "aggregator"): string {
    return this.#secret(`secrets/${database}-database`, () => randomBytes(24).toString("base64url"));
  }

  /** The password of the superuser of the plane's database server. */
  superuserPassword(database: "registry" | "aggregator"): string {
    return this.#secret(`secrets/${database}-superuser`, () => randomBytes(24).toString("base64url"));
  }

  #secret(path: string, make: () => string): string {
    const file = join(this.#home, path);
    try {
      return readFileSync(file, "utf8").trim();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${make()}\n`, { mode: 0o600, flag: "wx" });
    return readFileSync(file, "utf8").trim();
  }
}
