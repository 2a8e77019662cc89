-- Keys that make a repeated request safe (decision 0013), and the notice by which open streams learn that a lease changed.

-- One row per tenant and key, from the moment a request takes it until a day later. It is a tenant's table like any other: fenced, and moved with
-- the tenant, so that a key answers the same after a move.
CREATE TABLE cellplane.idempotency_keys (
  tenant_id uuid NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  -- SHA-256 of method, address and body: the same key with another request is refused.
  fingerprint bytea NOT NULL,
  -- Which request of which process works under the key; whoever finds another name here has lost the key, and its writes fail.
  holder text NOT NULL,
  -- The lease's epoch when it was taken: at a later one nobody can still be at work under it.
  epoch bigint NOT NULL,
  -- Until when others wait for the holder, by this database's clock. A lost holder is fenced by its name, not by this time.
  held_until timestamptz NOT NULL,
  -- The results of the request's write transactions, by their number, each written in the transaction that it belongs to: text of JSON, or null where
  -- the result cannot be kept as JSON.
  steps jsonb NOT NULL DEFAULT '{}',
  -- The answer; null as long as there is none.
  status smallint CHECK (status BETWEEN 100 AND 599),
  headers jsonb,
  -- Null where the answer was empty, or too large to be kept (`kept` is false then).
  body bytea,
  kept boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, key)
);
SELECT cellplane.protect_table('cellplane.idempotency_keys');
CREATE INDEX idempotency_keys_age ON cellplane.idempotency_keys (tenant_id, created_at);
-- The sweeper asks over all tenants who has old rows, and removes them in each tenant's own transaction, under the fence.
CREATE POLICY cellplane_system ON cellplane.idempotency_keys FOR SELECT TO cell_system USING (true);
GRANT SELECT ON cellplane.idempotency_keys TO cell_system;

-- A hint to look: whoever holds streams of a tenant open asks again what the lease says. It carries nothing, so that many in one transaction are one.
CREATE FUNCTION cellplane.tell_lease() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('cellplane_lease', '');
  RETURN NULL;
END $$;
CREATE TRIGGER cellplane_lease_told AFTER UPDATE OR DELETE ON cellplane.leases
  FOR EACH STATEMENT EXECUTE FUNCTION cellplane.tell_lease();
