-- Operations that a command carries out itself, without a workflow: backups and restores. Their claims on cells hold while they are heard of.
CREATE TABLE command_operations (
  operation uuid PRIMARY KEY REFERENCES operations (id),
  heard_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  -- A tenant on its way to another cell: then the claims hold until that is settled, heard of or not.
  relocation jsonb
);
CREATE INDEX open_relocations ON command_operations (operation) WHERE relocation IS NOT NULL AND ended_at IS NULL;

-- What was done past the control plane while it was dead, and stands in the audit since: each once, however often it is told.
CREATE TABLE direct_commands (id uuid PRIMARY KEY, told_at timestamptz NOT NULL DEFAULT now());
