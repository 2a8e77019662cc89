import type { Cell } from "../../../common/contracts/control-plane.ts";
import type { Tone } from "../pieces/tone.ts";

export const healthTones: Readonly<Record<Cell["health"], Tone>> = {
  healthy: "good",
  degraded: "warn",
  down: "bad",
  unknown: "calm",
};
