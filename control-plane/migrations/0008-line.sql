-- Whoever stops the line keeps every rollout from going on, and any from beginning, until it is released. It is kept here so that it holds also while
-- Temporal is dead. One row: who begins a rollout reads it under a lock, so that none slips past a stop.
CREATE TABLE line (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  stopped boolean NOT NULL DEFAULT false,
  -- Who last stopped or released it.
  by text,
  reason text,
  since timestamptz
);
INSERT INTO line DEFAULT VALUES;
