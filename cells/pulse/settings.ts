import { Type, type Static } from "../kit/kit.ts";

export const PulseSettings = Type.Object({
  PULSE_RETENTION_HOURS: Type.Integer({
    minimum: 1,
    maximum: 8_760,
    default: 48,
    description: "How long events are kept, and repetitions of their ids known",
  }),
});
export type PulseSettings = Static<typeof PulseSettings>;
