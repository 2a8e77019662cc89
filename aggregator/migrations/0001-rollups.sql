-- What cells pushed. Everything here can be made again: an empty database asks each cell to ship from the beginning.

CREATE TABLE shipments (
  cell text NOT NULL,
  incarnation text NOT NULL,
  -- The number expected next; everything below it has been taken.
  next bigint NOT NULL DEFAULT 1,
  -- When the part that was taken last was true.
  as_of timestamptz,
  -- Since when a later number has been heard while `next` is missing.
  gap_since timestamptz,
  heard_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (cell, incarnation)
);

-- Absolute values: one a tenant, aggregate and hour, of the highest epoch heard.
CREATE TABLE rollups (
  aggregate text NOT NULL,
  tenant uuid NOT NULL,
  bucket timestamptz NOT NULL,
  epoch bigint NOT NULL,
  cell text NOT NULL,
  slug text NOT NULL,
  tier text NOT NULL,
  synthetic boolean NOT NULL,
  merge text NOT NULL,
  value jsonb NOT NULL,
  PRIMARY KEY (aggregate, tenant, bucket)
);
CREATE INDEX rollups_by_time ON rollups (bucket);

-- The highest epoch heard of a tenant, and at which cell: whose part of an answer the tenant belongs to.
CREATE TABLE owners (
  tenant uuid PRIMARY KEY,
  epoch bigint NOT NULL,
  cell text NOT NULL
);
