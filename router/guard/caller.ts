import type { KeyId } from "../../common/ids.ts";
import type { Kept } from "./kept.ts";

/** Who asks, and what the assertion of that is kept on. */
export interface Caller {
  readonly principal: KeyId | "anonymous";
  readonly kept: Kept;
}
