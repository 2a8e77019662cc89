CREATE TABLE notes (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT uuidv7(),
  note text NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('notes');
