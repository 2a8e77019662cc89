import Type from "typebox";
import { patterns } from "../ids.ts";
import type { CellId, KeyId, OperationId, PartId, ReleaseName, TenantId } from "../ids.ts";

/** Schemas of the identifiers, carrying their brand into the types derived from them. */
export const CellIdSchema = Type.Unsafe<CellId>(Type.String({ pattern: patterns.cell }));
export const TenantIdSchema = Type.Unsafe<TenantId>(Type.String({ pattern: patterns.uuid }));
export const OperationIdSchema = Type.Unsafe<OperationId>(Type.String({ pattern: patterns.uuid }));
export const KeyIdSchema = Type.Unsafe<KeyId>(Type.String({ pattern: patterns.uuid }));
export const PartIdSchema = Type.Unsafe<PartId>(Type.String({ pattern: patterns.part }));
export const ReleaseNameSchema = Type.Unsafe<ReleaseName>(Type.String({ pattern: patterns.release }));
export const SlugSchema = Type.String({ pattern: patterns.slug });
export const RegionSchema = Type.String({ pattern: patterns.region });
export const Sha256Schema = Type.String({ pattern: patterns.sha256 });
export const TimestampSchema = Type.String({ format: "date-time" });
export const EpochSchema = Type.Integer({ minimum: 1 });

/** A closed set of words as a schema: `oneOf(["a", "b"] as const)`. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  return Type.Unsafe<Words[number]>({ type: "string", enum: [...words] });
}
