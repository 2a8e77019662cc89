-- What each job left behind. Nothing keeps an entry from being there twice, so that a test can see it.
CREATE TABLE entries (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT uuidv7(),
  entry text NOT NULL,
  attempt integer NOT NULL,
  done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('entries');
