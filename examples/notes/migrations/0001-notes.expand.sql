CREATE TABLE notes (
  tenant_id uuid NOT NULL,
  id text NOT NULL,
  text text NOT NULL,
  -- Counted by a job; null until then.
  words integer,
  made_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('notes');
CREATE INDEX notes_by_age ON notes (tenant_id, made_at);
