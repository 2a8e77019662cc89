import type { Slot } from "../../common/contracts/lease.ts";
import type { RouterErrorCode } from "../errors.ts";
import { otherSlot } from "../table/live-slots.ts";

/** How one try at a cell ended. */
export type Result =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly slotNamed: Slot | null;
      readonly notExecuted: string | null;
      readonly hasWord: boolean;
    }
  /** No connection came about: nothing was sent. */
  | { readonly kind: "refused" }
  | { readonly kind: "connect-timeout" }
  /** Sent, and no answer within the time. */
  | { readonly kind: "silent" }
  /** The connection broke before an answer began; something may have been executed. */
  | { readonly kind: "broken" };

/** RFC 9110, section 9.2.1. */
export const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** What the tries of one request have used up. */
export interface History {
  turns: number;
  refusals: number;
  words: number;
  retries: number;
}

/** What may be done with the request at all. */
export interface Situation {
  readonly slotAsked: Slot;
  /** Whether the body can be sent once more. */
  readonly replayable: boolean;
  /** Whether the method is safe (RFC 9110, section 9.2.1). */
  readonly safe: boolean;
}

export type Step =
  | { readonly kind: "relay" }
  | { readonly kind: "turn"; readonly slot: Slot }
  | { readonly kind: "read-word" }
  | { readonly kind: "park" }
  | { readonly kind: "retry" }
  | { readonly kind: "fail"; readonly code: RouterErrorCode };

/** A cell names its live slot once per switch; more turns than this mean that its slots disagree. */
const maxTurns = 3;
/** Both slots refused: the cell is not there. */
const maxRefusals = 1;
/** A tenant that moved on while its record was followed; more is a loop. */
const maxWords = 3;
/** Safe requests whose connection broke are tried once more. */
const maxRetries = 1;

/** The value of `Cellplane-Not-Executed` by which a cell says that the tenant is frozen. */
export const frozenReason = "tenant-frozen";

/** What to do next with a request. Pure; only what surely changed nothing is ever sent again, safe methods excepted. */
export function nextStep(result: Result, history: Readonly<History>, situation: Situation): Step {
  switch (result.kind) {
    case "answered":
      return afterAnswer(result, history, situation);
    case "refused":
      return history.refusals < maxRefusals
        ? { kind: "turn", slot: otherSlot(situation.slotAsked) }
        : { kind: "fail", code: "cell-unavailable" };
    case "connect-timeout":
      return { kind: "fail", code: "cell-unavailable" };
    case "silent":
      return { kind: "fail", code: "cell-timeout" };
    case "broken":
      if (situation.safe && situation.replayable && history.retries < maxRetries) return { kind: "retry" };
      return { kind: "fail", code: "answer-lost" };
    default:
      return result satisfies never;
  }
}

/** Whether an answer of a cell is the client's, whatever else there is to know. */
export function isForClient(status: number, notExecuted: string | null): boolean {
  return status !== 421 && (status !== 503 || notExecuted === null);
}

function afterAnswer(
  answer: Extract<Result, { kind: "answered" }>,
  history: Readonly<History>,
  situation: Situation,
): Step {
  if (answer.status === 421) {
    return answer.hasWord && history.words < maxWords ? { kind: "read-word" } : { kind: "fail", code: "owner-unknown" };
  }
  if (isForClient(answer.status, answer.notExecuted)) return { kind: "relay" };
  const turned = answer.slotNamed !== null && answer.slotNamed !== situation.slotAsked;
  if (!turned && answer.notExecuted !== frozenReason) return { kind: "relay" };
  if (!situation.replayable) return { kind: "fail", code: turned ? "not-replayable" : "tenant-frozen" };
  if (!turned) return { kind: "park" };
  return history.turns < maxTurns
    ? { kind: "turn", slot: answer.slotNamed }
    : { kind: "fail", code: "cell-unavailable" };
}
