import Type, { type Static, type TObject } from "typebox";
import { Secret, UrlSetting, maskConfig, readConfig } from "../common/config.ts";
import { CellIdSchema, RegionSchema, ReleaseNameSchema, Sha256Schema } from "../common/contracts/ids.ts";
import { SlotSchema } from "../common/contracts/lease.ts";

const port = (description: string) => Type.Integer({ minimum: 0, maximum: 65_535, description });

const identity = {
  CELL_ID: Type.Unsafe<Static<typeof CellIdSchema>>({ ...CellIdSchema, description: "The cell's name, e.g. cell-1" }),
  SLOT: Type.Unsafe<Static<typeof SlotSchema>>({ ...SlotSchema, description: "Slot of this process: a or b" }),
  INCARNATION_FILE: Type.String({
    minLength: 1,
    description: "File outside the data directory that holds the id of the database's life",
  }),
  RELEASE_DIRECTORY: Type.String({ minLength: 1, description: "Folder of the release that runs here" }),
};

const serving = {
  ...identity,
  CELL_REGION: Type.Unsafe<string>({ ...RegionSchema, description: "The cell's region" }),
  RELEASE: Type.Unsafe<Static<typeof ReleaseNameSchema>>({
    ...ReleaseNameSchema,
    description: "Name of the release, e.g. pulse@2",
  }),
  RELEASE_DIGEST: Type.Unsafe<string>({ ...Sha256Schema, description: "Digest of the release's manifest" }),
  APP_DATABASE_URL: UrlSetting({ description: "The cell's database as cell_app, the role of tenants' statements" }),
  SYSTEM_DATABASE_URL: UrlSetting({ description: "The cell's database as cell_system, the kit's own role" }),
  REDIS_URL: UrlSetting({ description: "The cell's Redis" }),
  HOST: Type.String({ default: "127.0.0.1", description: "Address to listen on" }),
  ADMIN_PORT: port("Port of the admin API"),
  CELL_KEY_FILE: Type.String({ minLength: 1, description: "The cell's private key, PEM" }),
  FLEET_URL: UrlSetting({ description: "The control plane, publisher of the fleet document" }),
  FLEET_TRUST_KEYS: Type.String({
    minLength: 1,
    description: "Public keys of the publisher to begin with, base64, separated by commas",
  }),
  FLEET_DIRECTORY: Type.String({ minLength: 1, description: "Folder of this process's copy of the fleet document" }),
  DATA_DIRECTORY: Type.Optional(
    Type.String({
      minLength: 1,
      description: "A folder on the disk that the cell's data lies on; without it nobody watches the disk",
    }),
  ),
  DISK_FLOOR_MB: Type.Integer({
    default: 256,
    minimum: 0,
    description: "With less than this free on that disk, in MiB, tenants' writes are refused and reads go on",
  }),
  LOG_LEVEL: Type.String({ default: "info", description: "fatal, error, warn, info, debug, trace or silent" }),
};

/** Settings of the cell's API process. */
export const ApiConfig = Type.Object({
  ...serving,
  API_PORT: port("Port of the tenant API"),
  REQUEST_TIMEOUT_MS: Type.Integer({
    minimum: 100,
    maximum: 600_000,
    default: 25_000,
    description: "How long a request may take to arrive; one that is late is cut off up to 5 s after that",
  }),
  // A worker does some hundred jobs a second: this many of one tenant are minutes of its time, and some 50 MB that a move would carry.
  OUTBOX_TENANT_JOBS: Type.Integer({
    minimum: 1,
    maximum: 10_000_000,
    default: 100_000,
    description: "Jobs of one tenant that may wait; beyond that its new ones are refused with 503 outbox-full",
  }),
  // Five times that, so that it takes several tenants to close it for the rest; counting them all takes a tenth of a second.
  OUTBOX_CELL_JOBS: Type.Integer({
    minimum: 1,
    maximum: 10_000_000,
    default: 500_000,
    description: "Jobs of the whole cell that may wait; beyond that all new ones are refused with 503 outbox-full",
  }),
});
export type ApiConfig = Static<typeof ApiConfig>;

/** Settings of the cell's queue worker. */
export const WorkerConfig = Type.Object(serving);
export type WorkerConfig = Static<typeof WorkerConfig>;

/** Settings of the migration. */
export const MigrateConfig = Type.Object({
  ...identity,
  OWNER_DATABASE_URL: Secret({ description: "The cell's database as cell_owner, who owns the tables" }),
});
export type MigrateConfig = Static<typeof MigrateConfig>;

/** @throws ConfigError naming every missing or wrong setting. */
export const apiConfig = (): ApiConfig => readConfig(ApiConfig, process.env);
export const workerConfig = (): WorkerConfig => readConfig(WorkerConfig, process.env);
export const migrateConfig = (): MigrateConfig => readConfig(MigrateConfig, process.env);

/** The application's own settings. */
export function applicationSettings<Settings extends TObject>(schema: Settings): Static<Settings> {
  return readConfig(schema, process.env);
}

/** The settings as they may be logged. */
export function printable(config: ApiConfig | WorkerConfig): Record<string, unknown> {
  return maskConfig("API_PORT" in config ? ApiConfig : WorkerConfig, config as ApiConfig);
}
