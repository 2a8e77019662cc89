-- What every cell holds, whatever its application: who it is, which tenants it owns, their jobs, what it ships to the aggregator.
-- Roles (made by the driver): cell_owner owns everything and migrates, cell_app runs tenants' statements and owns nothing,
-- cell_system is the kit's own.

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO cell_app;
GRANT USAGE ON SCHEMA cellplane TO cell_app, cell_system;
GRANT SELECT ON cellplane.schema_migrations TO cell_system;
-- Functions are executable by everybody unless said otherwise; here it is said otherwise, also for the application's later ones.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The cell itself: one row.
CREATE TABLE cellplane.cell (
  the_one boolean PRIMARY KEY DEFAULT true CHECK (the_one),
  cell text NOT NULL,
  -- One life of this database; its twin lies in a file outside the data directory.
  incarnation text NOT NULL,
  live_slot text NOT NULL CHECK (live_slot IN ('a', 'b')),
  -- The highest claim token seen; lower ones are refused.
  claim_token bigint NOT NULL DEFAULT 0,
  -- Number of the last shipment of rollups in this incarnation.
  shipment bigint NOT NULL DEFAULT 0,
  switched_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, UPDATE ON cellplane.cell TO cell_system;

-- "I own tenant T at epoch E": the truth about ownership. No row is state `none`.
CREATE TABLE cellplane.leases (
  tenant_id uuid PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('importing', 'ready', 'active', 'frozen', 'released')),
  epoch bigint NOT NULL CHECK (epoch >= 1),
  incarnation text NOT NULL,
  suspended boolean NOT NULL DEFAULT false,
  suspend_reason text,
  -- Labels, so that the registry can be rebuilt from the cells.
  slug text NOT NULL,
  tier text NOT NULL,
  synthetic boolean NOT NULL,
  operation uuid,
  attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
  freeze_id text,
  freeze_deadline timestamptz,
  -- The signed word that it was given away; kept as a tombstone that answers 421.
  release_record text,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (state <> 'frozen' OR (freeze_id IS NOT NULL AND freeze_deadline IS NOT NULL)),
  CHECK (state <> 'released' OR release_record IS NOT NULL)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON cellplane.leases TO cell_system;

-- Grants that this cell said it will never accept, so that the registry may place the tenant elsewhere.
CREATE TABLE cellplane.refused_grants (
  tenant_id uuid NOT NULL,
  epoch bigint NOT NULL,
  refused_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, epoch)
);
GRANT SELECT, INSERT ON cellplane.refused_grants TO cell_system;

-- The tenant of this transaction; null outside one.
CREATE FUNCTION cellplane.tenant() RETURNS uuid
  LANGUAGE sql STABLE PARALLEL SAFE
  RETURN nullif(current_setting('cellplane.tenant', true), '')::uuid;

-- Key of a tenant's advisory lock: writers hold it shared, a freeze takes it exclusively.
CREATE FUNCTION cellplane.lock_key(tenant uuid) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN hashtextextended('cellplane.tenant:' || tenant::text, 0);

-- Refuses with what this cell holds of the tenant, as the reader of SQLSTATE CPL01 wants it.
CREATE FUNCTION cellplane.refuse_lease(held_state text, held_epoch bigint, record text) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'CPL01', MESSAGE = 'the tenant is not owned here at that epoch',
    DETAIL = json_build_object('state', coalesce(held_state, 'none'), 'epoch', held_epoch, 'record', record)::text;
END $$;

-- Opens the tenant's context for this transaction: sets tenant and epoch, and checks the lease in the same statement.
-- An epoch of null means "whatever it is now" (jobs). Returns the lease's epoch.
-- Raises CPL01 not owned at that epoch, CPL03 suspended, CPL06 the database's life is not confirmed.
CREATE FUNCTION cellplane.enter(p_tenant uuid, p_epoch bigint) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE held record;
BEGIN
  SELECT l.state, l.epoch, l.suspended, l.suspend_reason, l.release_record, l.incarnation = c.incarnation AS confirmed
    INTO held FROM cellplane.cell c LEFT JOIN cellplane.leases l ON l.tenant_id = p_tenant;
  IF held.state IS NULL OR held.state NOT IN ('active', 'frozen') OR (p_epoch IS NOT NULL AND held.epoch <> p_epoch) THEN
    PERFORM cellplane.refuse_lease(held.state, held.epoch, held.release_record);
  END IF;
  IF NOT held.confirmed THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL06', MESSAGE = 'the lease belongs to another life of this database';
  END IF;
  IF held.suspended THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL03', MESSAGE = 'the tenant is suspended', DETAIL = coalesce(held.suspend_reason, '');
  END IF;
  PERFORM set_config('cellplane.tenant', p_tenant::text, true), set_config('cellplane.epoch', held.epoch::text, true);
  RETURN held.epoch;
END $$;

-- The write fence, before every statement that writes a tenant's table: takes the tenant's lock shared, then reads the lease in
-- a later snapshot. Under READ COMMITTED each statement of a volatile function has its own snapshot; under any other isolation it would
-- see the lease as it was, so those are refused.
-- Raises CPL01, CPL02 frozen, CPL03, CPL04 no tenant is set, CPL05 wrong isolation.
CREATE FUNCTION cellplane.fence() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_tenant uuid := cellplane.tenant();
  v_epoch bigint := nullif(current_setting('cellplane.epoch', true), '')::bigint;
  held record;
BEGIN
  IF v_tenant IS NULL OR v_epoch IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL04', MESSAGE = 'no tenant is set in this transaction';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL05', MESSAGE = 'tenants'' tables are written under READ COMMITTED only';
  END IF;
  PERFORM pg_advisory_xact_lock_shared(cellplane.lock_key(v_tenant));
  SELECT l.state, l.epoch, l.suspended, l.suspend_reason, l.release_record, l.freeze_id, l.freeze_deadline
    INTO held FROM cellplane.leases l WHERE l.tenant_id = v_tenant;
  IF held.state = 'frozen' AND held.freeze_deadline < clock_timestamp() THEN
    -- Past its deadline a freeze ends by whoever comes first; the late release then fails its compare-and-set.
    UPDATE cellplane.leases l SET state = 'active', freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
      WHERE l.tenant_id = v_tenant AND l.state = 'frozen' AND l.epoch = held.epoch AND l.freeze_id = held.freeze_id AND l.freeze_deadline < clock_timestamp();
    SELECT l.state, l.epoch, l.suspended, l.suspend_reason, l.release_record, l.freeze_id, l.freeze_deadline
      INTO held FROM cellplane.leases l WHERE l.tenant_id = v_tenant;
  END IF;
  IF held.state IS NULL OR held.state NOT IN ('active', 'frozen') OR held.epoch <> v_epoch THEN
    PERFORM cellplane.refuse_lease(held.state, held.epoch, held.release_record);
  END IF;
  IF held.state = 'frozen' THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL02', MESSAGE = 'the tenant is frozen';
  END IF;
  IF held.suspended THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL03', MESSAGE = 'the tenant is suspended', DETAIL = coalesce(held.suspend_reason, '');
  END IF;
  RETURN NULL;
END $$;

-- Makes a table a tenant's table: row-level security forced, policy, grants, fence. A migration calls it in its own transaction.
CREATE FUNCTION cellplane.protect_table(p_table regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE first_key text;
BEGIN
  SELECT a.attname INTO first_key
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = p_table AND i.indisprimary AND a.atttypid = 'uuid'::regtype;
  IF first_key IS DISTINCT FROM 'tenant_id' THEN
    RAISE EXCEPTION 'tenant_id uuid must come first in the primary key of %', p_table;
  END IF;
  IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = p_table AND a.attidentity <> '') THEN
    RAISE EXCEPTION 'identity columns cannot follow a tenant to another cell: %', p_table;
  END IF;
  EXECUTE format('ALTER TABLE %s ALTER COLUMN tenant_id SET DEFAULT cellplane.tenant()', p_table);
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
  EXECUTE format('CREATE POLICY cellplane_tenant ON %s TO cell_app USING (tenant_id = cellplane.tenant()) WITH CHECK (tenant_id = cellplane.tenant())', p_table);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO cell_app', p_table);
  -- Only for the application's role: the kit's own bookkeeping (enqueued, tries) moves no data of a tenant.
  EXECUTE format('CREATE TRIGGER cellplane_fence BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT WHEN (current_user <> ''cell_system'') EXECUTE FUNCTION cellplane.fence()', p_table);
END $$;

-- What in the application's schema would let one tenant reach another's rows; a migration that leaves anything here is refused.
CREATE FUNCTION cellplane.unprotected() RETURNS TABLE (object text, reason text)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.oid::regclass::text, 'a table must be made with cellplane.protect_table' FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity
      AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'cellplane_fence' AND t.tgenabled = 'O')
      AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'cellplane_tenant'))
  UNION ALL
  SELECT c.oid::regclass::text, 'a view reads with its owner''s eyes unless it is WITH (security_invoker)' FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND (c.relkind = 'm' OR (c.relkind = 'v' AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false)))
  UNION ALL
  SELECT c.oid::regclass::text, 'a sequence is shared by tenants and cannot move with one' FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S'
  UNION ALL
  SELECT p.oid::regprocedure::text, 'a SECURITY DEFINER function acts with its owner''s rights' FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
$$;

-- Jobs, written in the transaction of the data they follow from. A row goes when its receipt comes.
CREATE TABLE cellplane.outbox (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL DEFAULT uuidv7(),
  job text NOT NULL,
  payload_version integer NOT NULL,
  payload jsonb NOT NULL,
  -- At most one waiting row of a tenant bears a key: the same work asked for twice is done once.
  key text,
  run_at timestamptz NOT NULL DEFAULT now(),
  tries integer NOT NULL DEFAULT 0,
  error text,
  -- When it was handed to the queue; null while it waits.
  enqueued_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('cellplane.outbox');
CREATE UNIQUE INDEX outbox_key ON cellplane.outbox (tenant_id, job, key) WHERE key IS NOT NULL AND enqueued_at IS NULL;
CREATE INDEX outbox_waiting ON cellplane.outbox (tenant_id, run_at, id) WHERE enqueued_at IS NULL;
CREATE INDEX outbox_in_flight ON cellplane.outbox (tenant_id, enqueued_at) WHERE enqueued_at IS NOT NULL;
CREATE POLICY cellplane_system ON cellplane.outbox TO cell_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cellplane.outbox TO cell_system;

-- Proof that a job's effects are committed.
CREATE TABLE cellplane.receipts (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  job text NOT NULL,
  tries integer NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('cellplane.receipts');
CREATE INDEX receipts_age ON cellplane.receipts (finished_at);
CREATE POLICY cellplane_system ON cellplane.receipts TO cell_system USING (true) WITH CHECK (true);
GRANT SELECT, DELETE ON cellplane.receipts TO cell_system;

-- Jobs that failed for good, with everything needed to understand and replay them.
CREATE TABLE cellplane.dead_letters (
  tenant_id uuid NOT NULL,
  id uuid NOT NULL,
  job text NOT NULL,
  payload_version integer NOT NULL,
  payload jsonb NOT NULL,
  tries integer NOT NULL,
  error text NOT NULL,
  created_at timestamptz NOT NULL,
  died_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, id)
);
SELECT cellplane.protect_table('cellplane.dead_letters');
CREATE INDEX dead_letters_age ON cellplane.dead_letters (died_at);
CREATE POLICY cellplane_system ON cellplane.dead_letters TO cell_system USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON cellplane.dead_letters TO cell_system;

-- When each tenant's scheduled jobs are due next.
CREATE TABLE cellplane.schedules (
  tenant_id uuid NOT NULL,
  job text NOT NULL,
  next_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, job)
);
SELECT cellplane.protect_table('cellplane.schedules');
CREATE POLICY cellplane_system ON cellplane.schedules TO cell_system USING (true) WITH CHECK (true);
GRANT SELECT ON cellplane.schedules TO cell_system;

-- Absolute values per aggregate and bucket, for the aggregator. `shipment` is the number of the shipment that carries the value; null: not shipped.
CREATE TABLE cellplane.rollups (
  tenant_id uuid NOT NULL,
  aggregate text NOT NULL,
  bucket timestamptz NOT NULL,
  merge text NOT NULL CHECK (merge IN ('sum', 'min', 'max', 'distinct', 'quantiles')),
  value jsonb NOT NULL,
  epoch bigint NOT NULL,
  shipment bigint,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, aggregate, bucket)
);
SELECT cellplane.protect_table('cellplane.rollups');
CREATE INDEX rollups_unshipped ON cellplane.rollups (changed_at) WHERE shipment IS NULL;
CREATE INDEX rollups_shipment ON cellplane.rollups (shipment) WHERE shipment IS NOT NULL;
CREATE POLICY cellplane_system ON cellplane.rollups TO cell_system USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE, DELETE ON cellplane.rollups TO cell_system;

GRANT EXECUTE ON FUNCTION cellplane.tenant(), cellplane.enter(uuid, bigint) TO cell_app;
GRANT EXECUTE ON FUNCTION cellplane.tenant(), cellplane.lock_key(uuid) TO cell_system;
