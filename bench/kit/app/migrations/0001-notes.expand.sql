CREATE TABLE notes (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT uuidv7(),
  board integer NOT NULL,
  body text NOT NULL,
  written_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('notes');
CREATE INDEX notes_board ON notes (tenant_id, board, id);
