import type { RolloutErrorCode } from "./errors.ts";

/** Why a command is refused: a code of `rolloutErrors`, and what it means here. */
export interface CommandRefusal {
  readonly code: RolloutErrorCode;
  readonly detail: string;
}
