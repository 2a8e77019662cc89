-- The registry: what should be. Ownership itself lies in the cells' leases.

CREATE TABLE settings (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  base_domain text NOT NULL,
  application text NOT NULL,
  -- Release of the last completed rollout: what new and returning cells get.
  current_release text
);

CREATE TABLE cells (
  id text PRIMARY KEY,
  region text NOT NULL,
  slots jsonb NOT NULL,
  live_slot text NOT NULL CHECK (live_slot IN ('a', 'b')),
  release text,
  cordoned boolean NOT NULL DEFAULT false,
  ring text NOT NULL DEFAULT 'default',
  tiers text[] NOT NULL DEFAULT '{}',
  capacity jsonb NOT NULL,
  -- Reserved by placements, in the transaction of each; always the sum over the cell's tenants.
  used_requests_per_second bigint NOT NULL DEFAULT 0,
  used_storage_bytes bigint NOT NULL DEFAULT 0,
  used_tenants bigint NOT NULL DEFAULT 0,
  registered_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenants (
  id uuid PRIMARY KEY,
  slug text NOT NULL UNIQUE,
  tier text NOT NULL,
  region text,
  cell text NOT NULL REFERENCES cells (id),
  epoch bigint NOT NULL DEFAULT 1 CHECK (epoch > 0),
  state text NOT NULL CHECK (state IN ('provisioning', 'active', 'suspended')),
  reason text,
  synthetic boolean NOT NULL,
  limits jsonb NOT NULL,
  demand jsonb NOT NULL,
  decision jsonb,
  explanation text NOT NULL,
  -- Whether a creation was answered with a key; until then the same call goes on with it.
  delivered boolean NOT NULL DEFAULT false,
  -- The cell's lease is brought to what is wanted whenever wanted is ahead of applied.
  lease_wanted integer NOT NULL DEFAULT 1,
  lease_applied integer NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenants_by_cell ON tenants (cell);
CREATE INDEX tenants_to_reconcile ON tenants (id) WHERE lease_applied < lease_wanted;

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  tenant uuid NOT NULL REFERENCES tenants (id),
  digest text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);
CREATE INDEX live_keys_by_tenant ON api_keys (tenant) WHERE revoked_at IS NULL;

CREATE TABLE parts (
  id text PRIMARY KEY,
  role text NOT NULL,
  keys text[] NOT NULL,
  url text
);

CREATE TABLE releases (
  name text PRIMARY KEY,
  digest text NOT NULL,
  state text NOT NULL DEFAULT 'available' CHECK (state IN ('available', 'quarantined')),
  reason text,
  manifest jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- A number once released is never used again. The kit's own series is one for all applications ('').
CREATE TABLE release_migrations (
  application text NOT NULL,
  series text NOT NULL,
  number integer NOT NULL,
  digest text NOT NULL,
  first_release text NOT NULL REFERENCES releases (name),
  PRIMARY KEY (application, series, number)
);

CREATE TABLE operations (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  application text NOT NULL,
  requested_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- When the workflow was seen to run; a starter takes care of those that have none yet.
  started_at timestamptz
);

CREATE TABLE rollouts (
  operation uuid PRIMARY KEY REFERENCES operations (id),
  application text NOT NULL,
  release text NOT NULL REFERENCES releases (name),
  state text NOT NULL,
  revision integer NOT NULL,
  -- The whole rollout as `rollout show` answers it.
  document jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_open_rollout_an_application ON rollouts (application)
  WHERE state NOT IN ('rolled-back', 'rollback-failed', 'completed', 'cancelled');

CREATE TABLE claims (
  cell text NOT NULL REFERENCES cells (id),
  mode text NOT NULL CHECK (mode IN ('exclusive', 'shared')),
  operation uuid NOT NULL REFERENCES operations (id),
  token bigint NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (cell, operation)
);
CREATE TABLE claim_tokens (cell text PRIMARY KEY REFERENCES cells (id), token bigint NOT NULL);

CREATE TABLE operator_tokens (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
  digest text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);
CREATE TABLE sign_in_codes (
  digest text PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE TABLE sessions (
  digest text PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL,
  expires_at timestamptz NOT NULL
);

CREATE TABLE audit_head (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  sequence bigint NOT NULL,
  hash text NOT NULL
);
INSERT INTO audit_head (sequence, hash) VALUES (0, repeat('0', 64));
CREATE TABLE audit_entries (
  sequence bigint PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
  reason text,
  operation uuid,
  hash text NOT NULL
);

-- The fleet document. Generations are given under the lock of one row, in the transaction of the change.
CREATE TABLE fleet_generation (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  term bigint NOT NULL,
  n bigint NOT NULL,
  hash text NOT NULL
);
INSERT INTO fleet_generation (term, n, hash) VALUES (1, 0, repeat('0', 64));
-- Values are kept as canonical text: what was hashed and signed is what is stored.
CREATE TABLE fleet_rows (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE fleet_deltas (
  term bigint NOT NULL,
  n bigint NOT NULL,
  hash text NOT NULL,
  payload text NOT NULL,
  kid text,
  signature text,
  PRIMARY KEY (term, n)
);
CREATE INDEX fleet_deltas_to_sign ON fleet_deltas (term, n) WHERE signature IS NULL;
CREATE TABLE fleet_snapshots (
  term bigint NOT NULL,
  n bigint NOT NULL,
  payload text NOT NULL,
  kid text NOT NULL,
  signature text NOT NULL,
  PRIMARY KEY (term, n)
);
