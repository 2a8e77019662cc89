-- Events as they came. The id, chosen by the client, is what tells a repetition.
CREATE TABLE events (
  tenant_id uuid NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  user_id text NOT NULL,
  at timestamptz NOT NULL,
  value double precision,
  properties jsonb,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('events');
CREATE INDEX events_at ON events (tenant_id, at);

-- Events that are not rolled up yet. A row goes in the transaction that adds it to the hours below, so that hours and tail together always
-- hold every event exactly once. Nothing here depends on a sequence, a clock or a transaction id, which could not follow a tenant.
CREATE TABLE tail (
  tenant_id uuid NOT NULL,
  id text NOT NULL,
  type text NOT NULL,
  user_id text NOT NULL,
  at timestamptz NOT NULL,
  value double precision,
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('tail');

-- Rolled up by hour (UTC): how many of each type, who, and which values.
CREATE TABLE hour_types (
  tenant_id uuid NOT NULL,
  hour timestamptz NOT NULL,
  type text NOT NULL,
  events bigint NOT NULL,
  touched_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, hour, type)
);
SELECT cellplane.protect_table('hour_types');

CREATE TABLE hour_users (
  tenant_id uuid NOT NULL,
  hour timestamptz NOT NULL,
  user_id text NOT NULL,
  PRIMARY KEY (tenant_id, hour, user_id)
);
SELECT cellplane.protect_table('hour_users');

-- Bins of a DDSketch: values v with gamma^(bin-1) < |v| <= gamma^bin; `sign` 0 holds what is too small to tell from zero.
CREATE TABLE hour_values (
  tenant_id uuid NOT NULL,
  hour timestamptz NOT NULL,
  sign smallint NOT NULL CHECK (sign IN (-1, 0, 1)),
  bin integer NOT NULL,
  events bigint NOT NULL,
  low double precision NOT NULL,
  high double precision NOT NULL,
  PRIMARY KEY (tenant_id, hour, sign, bin)
);
SELECT cellplane.protect_table('hour_values');

-- The secret with which GitHub signs what it sends for a tenant.
CREATE TABLE hook_secrets (
  tenant_id uuid NOT NULL,
  source text NOT NULL,
  secret text NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, source)
);
SELECT cellplane.protect_table('hook_secrets');
