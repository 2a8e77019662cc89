-- A write takes its fence once, where it begins, and its statements only look whether that was done. Measured with one INSERT a transaction the fence
-- was a fifth of the database's work, and each further statement paid it again.

-- Opens a tenant's context for a transaction that writes: takes the tenant's lock shared, then reads the lease in a later snapshot, which under READ COMMITTED
-- is each statement's own. Until the end of the transaction nobody can freeze, release or suspend the tenant, so once is enough. An epoch of null means
-- "whatever it is now" (jobs). Returns the lease's epoch.
-- Raises CPL01 not owned at that epoch, CPL02 frozen, CPL03 suspended, CPL05 wrong isolation, CPL06 the database's life is not confirmed,
-- CPL07 the transaction is another tenant's.
CREATE FUNCTION cellplane.enter_write(p_tenant uuid, p_epoch bigint) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  held record;
  v_entered text := current_setting('cellplane.tenant', true);
BEGIN
  IF v_entered <> '' AND v_entered <> p_tenant::text THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL07', MESSAGE = 'this transaction belongs to another tenant';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL05', MESSAGE = 'tenants'' tables are written under READ COMMITTED only';
  END IF;
  PERFORM pg_advisory_xact_lock_shared(cellplane.lock_key(p_tenant));
  SELECT l.state, l.epoch, l.suspended, l.suspend_reason, l.release_record, l.freeze_id, l.freeze_deadline < clock_timestamp() AS overdue,
      l.incarnation = c.incarnation AS confirmed
    INTO held FROM cellplane.cell c LEFT JOIN cellplane.leases l ON l.tenant_id = p_tenant;
  IF held.overdue AND held.state = 'frozen' THEN
    -- Past its deadline a freeze ends by whoever comes first; the late release then fails its compare-and-set.
    UPDATE cellplane.leases l SET state = 'active', freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
      WHERE l.tenant_id = p_tenant AND l.state = 'frozen' AND l.epoch = held.epoch AND l.freeze_id = held.freeze_id AND l.freeze_deadline < clock_timestamp();
    SELECT l.state, l.epoch, l.suspended, l.suspend_reason, l.release_record, l.freeze_id, l.freeze_deadline < clock_timestamp() AS overdue,
        l.incarnation = c.incarnation AS confirmed
      INTO held FROM cellplane.cell c LEFT JOIN cellplane.leases l ON l.tenant_id = p_tenant;
  END IF;
  IF held.state IS NULL OR held.state NOT IN ('active', 'frozen') OR (p_epoch IS NOT NULL AND held.epoch <> p_epoch) THEN
    PERFORM cellplane.refuse_lease(held.state, held.epoch, held.release_record);
  END IF;
  IF NOT held.confirmed THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL06', MESSAGE = 'the lease belongs to another life of this database';
  END IF;
  IF held.state = 'frozen' THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL02', MESSAGE = 'the tenant is frozen';
  END IF;
  IF held.suspended THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL03', MESSAGE = 'the tenant is suspended', DETAIL = coalesce(held.suspend_reason, '');
  END IF;
  PERFORM set_config('cellplane.tenant', p_tenant::text, true), set_config('cellplane.epoch', held.epoch::text, true),
    set_config('cellplane.fenced', p_tenant::text || '/' || held.epoch::text, true);
  RETURN held.epoch;
END $$;
GRANT EXECUTE ON FUNCTION cellplane.enter_write(uuid, bigint) TO cell_app;

-- The write fence of a transaction that did not begin with `enter_write`: one of an older release, or raw SQL. It takes it now.
-- Raises what `enter_write` raises, and CPL04 no tenant is set.
CREATE OR REPLACE FUNCTION cellplane.fence() RETURNS trigger
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_tenant uuid := cellplane.tenant();
  v_epoch bigint := nullif(current_setting('cellplane.epoch', true), '')::bigint;
BEGIN
  IF v_tenant IS NULL OR v_epoch IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL04', MESSAGE = 'no tenant is set in this transaction';
  END IF;
  PERFORM cellplane.enter_write(v_tenant, v_epoch);
  RETURN NULL;
END $$;

-- Hangs the fence on a table. It is for the application's role: the kit's own bookkeeping (enqueued, tries) moves no data of a tenant. The condition spares
-- a transaction that has the fence of this very tenant and epoch the call, which costs more than the look.
CREATE FUNCTION cellplane.hang_fence(p_table regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format($trigger$CREATE OR REPLACE TRIGGER cellplane_fence BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH STATEMENT
    WHEN (current_user <> 'cell_system' AND coalesce(current_setting('cellplane.fenced', true), '') IS DISTINCT FROM
      current_setting('cellplane.tenant', true) || '/' || current_setting('cellplane.epoch', true))
    EXECUTE FUNCTION cellplane.fence()$trigger$, p_table);
END $$;

-- As before, with the fence hung by the function above.
CREATE OR REPLACE FUNCTION cellplane.protect_table(p_table regclass) RETURNS void
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
  PERFORM cellplane.hang_fence(p_table);
END $$;

-- Tables that are there already; those of an application that is installed, too.
SELECT cellplane.hang_fence(t.tgrelid) FROM pg_trigger t WHERE t.tgname = 'cellplane_fence';
