-- The write fence for less. What a write does each time is one function of plain expressions, which PL/pgSQL evaluates without a statement of SQL (a PERFORM is
-- one), and one look at the lease into variables of their own. All that is rare, refusals and freezes past their deadline, is behind it.

-- Raises what stands against a write, and ends a freeze that is past its deadline; the caller has the tenant's lock, shared. Returns the lease's epoch.
CREATE FUNCTION cellplane.examine_write(p_tenant uuid, p_epoch bigint) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  held record;
BEGIN
  -- Past its deadline a freeze ends by whoever comes first; the late release then fails its compare-and-set.
  UPDATE cellplane.leases l SET state = 'active', freeze_id = NULL, freeze_deadline = NULL, updated_at = clock_timestamp()
    WHERE l.tenant_id = p_tenant AND l.state = 'frozen' AND l.freeze_deadline < clock_timestamp();
  SELECT l.state, l.epoch, l.suspended, l.suspend_reason, l.release_record, l.incarnation = c.incarnation AS confirmed
    INTO held FROM cellplane.cell c LEFT JOIN cellplane.leases l ON l.tenant_id = p_tenant;
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
  RETURN held.epoch;
END $$;

-- As before (0008): takes the tenant's lock shared, then reads the lease in a later snapshot.
-- Raises CPL01 not owned at that epoch, CPL02 frozen, CPL03 suspended, CPL05 wrong isolation, CPL06 the database's life is not confirmed,
-- CPL07 the transaction is another tenant's.
CREATE OR REPLACE FUNCTION cellplane.enter_write(p_tenant uuid, p_epoch bigint) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_tenant text := p_tenant::text;
  v_setting text := current_setting('cellplane.tenant', true);
  v_locked boolean;
  v_clear boolean;
  v_epoch bigint;
BEGIN
  IF v_setting <> '' AND v_setting <> v_tenant THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL07', MESSAGE = 'this transaction belongs to another tenant';
  END IF;
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL05', MESSAGE = 'tenants'' tables are written under READ COMMITTED only';
  END IF;
  -- It returns void, which is not null. An expression, and so without a statement of its own.
  v_locked := pg_advisory_xact_lock_shared(cellplane.lock_key(p_tenant)) IS NOT NULL;
  SELECT l.state = 'active' AND NOT l.suspended AND l.incarnation = (SELECT c.incarnation FROM cellplane.cell c), l.epoch
    INTO v_clear, v_epoch FROM cellplane.leases l WHERE l.tenant_id = p_tenant;
  IF v_clear IS NOT TRUE OR v_epoch <> p_epoch THEN
    v_epoch := cellplane.examine_write(p_tenant, p_epoch);
  END IF;
  v_setting := set_config('cellplane.tenant', v_tenant, true);
  v_setting := set_config('cellplane.epoch', v_epoch::text, true);
  v_setting := set_config('cellplane.fenced', v_tenant || '/' || v_epoch::text, true);
  RETURN v_epoch;
END $$;
