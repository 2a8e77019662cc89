CREATE TABLE echoes (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT uuidv7(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('echoes');
