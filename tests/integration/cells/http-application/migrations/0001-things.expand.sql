CREATE TABLE things (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT uuidv7(),
  name text NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('things');
