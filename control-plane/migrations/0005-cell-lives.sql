-- Lives of cells' databases that began by a restore or a promotion: what the registry decided about each lease, before it said so to the cell,
-- so that after a crash it says the same again; and what the restore reported as lost.
CREATE TABLE cell_lives (
  cell text NOT NULL REFERENCES cells (id),
  incarnation text NOT NULL,
  -- Null while only the restore's report has come.
  plan jsonb,
  planned_at timestamptz,
  confirmed_at timestamptz,
  report jsonb,
  noted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (cell, incarnation)
);
