import Type, { type Static } from "typebox";
import { CellIdSchema, ReleaseNameSchema } from "./ids.ts";

/** Upper bounds of the latency histogram's buckets, in milliseconds; one more bucket takes what is slower. */
export const latencyBoundsMs = [
  1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 10000,
] as const;

/**
 * Counters since the process began, by cell × release × kind of traffic. Two readings of one `instance` give a window; another
 * instance means that the counters began again at zero.
 */
export const SampleCounter = Type.Object(
  {
    cell: CellIdSchema,
    /** The release that answered, null where none did (refused, timed out). */
    release: Type.Union([ReleaseNameSchema, Type.Null()]),
    synthetic: Type.Boolean(),
    requests: Type.Integer({ minimum: 0 }),
    /** Answers of 500 and above, and requests that got no answer. */
    errors: Type.Integer({ minimum: 0 }),
    /** One count a bucket of `latencyBoundsMs`, and one above. */
    latency: Type.Array(Type.Integer({ minimum: 0 }), {
      minItems: latencyBoundsMs.length + 1,
      maxItems: latencyBoundsMs.length + 1,
    }),
  },
  { $id: "SampleCounter", additionalProperties: false },
);
export type SampleCounter = Static<typeof SampleCounter>;

/** `GET /v1/samples` of a router's admin API, and of a cell's. */
export const Samples = Type.Object(
  {
    source: Type.String(),
    instance: Type.String(),
    at: Type.String({ format: "date-time" }),
    counters: Type.Array(SampleCounter),
  },
  { $id: "Samples", additionalProperties: false },
);
export type Samples = Static<typeof Samples>;

/**
 * The router's admin API (own port; every call but health with a command token whose audience is the router's part id):
 *   GET /healthz · GET /readyz · GET /v1/status (RouterStatus) · GET /v1/samples (Samples) · GET /v1/tenants/:slug (where a tenant is) · GET /metrics (Prometheus, no token)
 */
export const RouterStatus = Type.Object(
  {
    id: Type.String(),
    generation: Type.Object({ term: Type.Integer(), n: Type.Integer() }),
    /** Seconds since the table was last known to be current. */
    tableAgeSeconds: Type.Number(),
    source: Type.Union([Type.Literal("feed"), Type.Literal("disk"), Type.Literal("none")]),
    tenants: Type.Integer(),
    cells: Type.Array(
      Type.Object(
        { cell: CellIdSchema, liveSlot: Type.String(), breaker: Type.String(), inFlight: Type.Integer() },
        { additionalProperties: false },
      ),
    ),
    startedAt: Type.String(),
  },
  { $id: "RouterStatus", additionalProperties: false },
);
export type RouterStatus = Static<typeof RouterStatus>;
