-- Jobs in depth: tries counted when they begin, priorities, shares of the workers' time, schedules of a tenant's own, an outbox with a bound.

ALTER TABLE cellplane.outbox
  -- 0 high, 1 normal, 2 low: the order within a tenant.
  ADD COLUMN priority smallint NOT NULL DEFAULT 1,
  -- When the try that is under way began; null when none is. A row that bears it while nobody holds the row's lock is a try that ended without a word.
  ADD COLUMN started_at timestamptz,
  -- Tries that ended without a word, e.g. because they ended the process.
  ADD COLUMN crashes integer NOT NULL DEFAULT 0,
  -- The last failure with its causes.
  ADD COLUMN errors jsonb;
-- Its index, outbox_turns, is built without stopping anybody: 0007.

ALTER TABLE cellplane.dead_letters
  ADD COLUMN priority smallint NOT NULL DEFAULT 1,
  ADD COLUMN key text,
  ADD COLUMN crashes integer NOT NULL DEFAULT 0,
  ADD COLUMN last_try_at timestamptz,
  ADD COLUMN errors jsonb NOT NULL DEFAULT '[]';

-- What each tenant has had of the workers' time, for fair turns. Of no meaning elsewhere: it does not move with a tenant.
CREATE TABLE cellplane.shares (
  tenant_id uuid PRIMARY KEY,
  -- Milliseconds of a worker's time since the cell began, never behind the cell's clock by more than a moment.
  served_ms double precision NOT NULL,
  -- What a job of the tenant lately took.
  cost_ms double precision NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON cellplane.shares TO cell_system;
-- How far the turns have come, in the same milliseconds. Its row is locked while jobs are claimed.
CREATE TABLE cellplane.share_clock (
  the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
  ms double precision NOT NULL DEFAULT 0
);
INSERT INTO cellplane.share_clock DEFAULT VALUES;
GRANT SELECT, UPDATE ON cellplane.share_clock TO cell_system;

-- Whose outbox is full; the nil UUID stands for the cell. Written every few seconds by whoever counts, read by each addition.
CREATE TABLE cellplane.full_outboxes (
  tenant_id uuid PRIMARY KEY,
  waiting bigint NOT NULL,
  since timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON cellplane.full_outboxes TO cell_system;

-- Refuses a job where the outbox is full. Raises CPL10.
CREATE FUNCTION cellplane.outbox_has_room() RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE full_one record;
BEGIN
  SELECT f.tenant_id, f.waiting INTO full_one FROM cellplane.full_outboxes f
    WHERE f.tenant_id IN (cellplane.tenant(), '00000000-0000-0000-0000-000000000000') LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL10', MESSAGE = 'the outbox is full', DETAIL = full_one.waiting::text;
  END IF;
  RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION cellplane.outbox_has_room() TO cell_app;

-- Schedules that a tenant's requests and jobs made, beside those that belong to a kind of job (cellplane.schedules).
CREATE TABLE cellplane.tenant_schedules (
  tenant_id uuid NOT NULL,
  name text NOT NULL,
  job text NOT NULL,
  payload_version integer NOT NULL,
  payload jsonb NOT NULL,
  priority smallint NOT NULL DEFAULT 1,
  -- One of both.
  cron text,
  every_seconds double precision,
  time_zone text NOT NULL DEFAULT 'UTC',
  next_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, name),
  CHECK ((cron IS NULL) <> (every_seconds IS NULL))
);
SELECT cellplane.protect_table('cellplane.tenant_schedules');
CREATE INDEX tenant_schedules_due ON cellplane.tenant_schedules (next_at);
CREATE POLICY cellplane_system ON cellplane.tenant_schedules FOR SELECT TO cell_system USING (true);
GRANT SELECT ON cellplane.tenant_schedules TO cell_system;
