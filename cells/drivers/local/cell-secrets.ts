import { randomBytes } from "node:crypto";
import Type, { type Static } from "typebox";
import Value from "typebox/value";
import { readJson, writeAtomically } from "./files.ts";

const Password = Type.String({ pattern: "^[A-Za-z0-9_-]{16,128}$" });

/** `<home>/secrets/cells/<id>.json`, mode 0600: the credentials of one cell, good at no other. */
export const CellSecrets = Type.Object(
  {
    version: Type.Literal(1),
    superuser: Password,
    /** Owns the tables and runs migrations. */
    owner: Password,
    /** Runs tenants' statements; owns nothing. */
    app: Password,
    /** The kit's own role. */
    system: Password,
    redis: Password,
  },
  { additionalProperties: false },
);
export type CellSecrets = Static<typeof CellSecrets>;

/** The cell's credentials, null where none were made. @throws Error when the file is not what it should be. */
export async function readCellSecrets(path: string): Promise<CellSecrets | null> {
  const value = await readJson(path);
  if (value === null) return null;
  if (!Value.Check(CellSecrets, value)) throw new Error(`${path} holds no credentials of a cell`);
  return value;
}

/** New credentials; they count once they are written down. */
export function makeCellSecrets(): CellSecrets {
  const password = (): string => randomBytes(24).toString("base64url");
  return {
    version: 1,
    superuser: password(),
    owner: password(),
    app: password(),
    system: password(),
    redis: password(),
  };
}

export async function writeCellSecrets(path: string, secrets: CellSecrets): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(secrets)}\n`);
}
