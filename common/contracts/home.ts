import Type, { type Static } from "typebox";
import { patterns } from "../ids.ts";
import { tiers } from "./fleet.ts";
import { CellIdSchema, RegionSchema, ReleaseNameSchema, SlugSchema, oneOf } from "./ids.ts";

/**
 * The home of a fleet: one folder that holds all of its state. Written by `npm start`, read by `npm start` the next time and by the
 * command line, also when no part of the fleet runs.
 */
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

/** Ports of one slot of a cell: the tenant API, the API process's admin API, the worker's admin API. */
export const SlotPorts = Type.Object(
  { api: Port, admin: Port, worker: Port },
  { $id: "SlotPorts", additionalProperties: false },
);
export type SlotPorts = Static<typeof SlotPorts>;

/** A cell keeps its ports for its whole life. */
export const CellPorts = Type.Object(
  {
    postgres: Port,
    redis: Port,
    slots: Type.Object({ a: SlotPorts, b: SlotPorts }, { additionalProperties: false }),
  },
  { $id: "CellPorts", additionalProperties: false },
);
export type CellPorts = Static<typeof CellPorts>;

/** Ports of the parts that are no cells; a fleet keeps them from start to start. */
export const FleetPorts = Type.Object(
  {
    router: Port,
    routerAdmin: Port,
    controlPlane: Port,
    registry: Port,
    aggregator: Port,
    aggregatorDatabase: Port,
    worker: Port,
    temporal: Port,
    temporalUi: Port,
    /** Port of the feeder's health; null with `--no-demo`. */
    feeder: Type.Union([Port, Type.Null()]),
  },
  { $id: "FleetPorts", additionalProperties: false },
);
export type FleetPorts = Static<typeof FleetPorts>;

/**
 * `<home>/fleet.json`, mode 0600: what must stay as it is from start to start, and where everything answers. It holds no secret.
 */
export const FleetFile = Type.Object(
  {
    version: Type.Literal(1),
    baseDomain: Type.String({ minLength: 1 }),
    /** Name of the application that the cells run, e.g. `pulse`. */
    application: Type.String({ pattern: patterns.application }),
    /** Folder that `--app` named, absolute; null for the reference application. */
    applicationDirectory: Type.Union([Type.String({ pattern: "^/" }), Type.Null()]),
    /** Release that the cells were provisioned with. */
    firstRelease: ReleaseNameSchema,
    /** Whether demo tenants and feeder belong to this fleet. */
    demo: Type.Boolean(),
    ports: FleetPorts,
    urls: Type.Object(
      {
        router: Type.String(),
        routerAdmin: Type.String(),
        controlPlane: Type.String(),
        dashboard: Type.String(),
        aggregator: Type.String(),
        worker: Type.Union([Type.String(), Type.Null()]),
        /** Null where no Temporal was found. */
        temporal: Type.Union([
          Type.Object({ address: Type.String(), ui: Type.String() }, { additionalProperties: false }),
          Type.Null(),
        ]),
      },
      { additionalProperties: false },
    ),
    cells: Type.Array(
      Type.Object({ id: CellIdSchema, region: RegionSchema, ports: CellPorts }, { additionalProperties: false }),
      { minItems: 1, maxItems: 100 },
    ),
    createdAt: Type.String({ format: "date-time" }),
  },
  { $id: "FleetFile", additionalProperties: false },
);
export type FleetFile = Static<typeof FleetFile>;

/** `<home>/secrets/demo.json`, mode 0600: the demo's tenants with their keys in clear; nowhere else is a key kept so. */
export const DemoFile = Type.Object(
  {
    tenants: Type.Array(
      Type.Object(
        { slug: SlugSchema, host: Type.String(), key: Type.String(), tier: oneOf(tiers), cell: CellIdSchema },
        { additionalProperties: false },
      ),
    ),
  },
  { $id: "DemoFile", additionalProperties: false },
);
export type DemoFile = Static<typeof DemoFile>;

/** Paths below a home. */
export const homePaths = {
  fleet: "fleet.json",
  operatorToken: "secrets/operator-token",
  demo: "secrets/demo.json",
  keys: "keys",
  logs: "logs",
  supervisor: "supervisor",
  /** What was done with `--direct` and the audit has not heard of yet. */
  direct: "direct",
} as const;

/** Name under the supervisor → what it is called in the command line; these five an operator may stop and start by name. */
export const stoppableParts = ["router", "control-plane", "temporal", "worker", "aggregator"] as const;
export type StoppablePart = (typeof stoppableParts)[number];
