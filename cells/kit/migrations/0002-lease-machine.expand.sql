-- The whole lease machine: imports that remember what they replaced, and a transaction that keeps its tenant.

-- The cell that gives the tenant away: only its word makes an import active.
ALTER TABLE cellplane.leases ADD COLUMN source_cell text;
-- While a tombstone gives way to an import its record stays in the row and its epoch here, so that an abort brings it back.
ALTER TABLE cellplane.leases ADD COLUMN former_epoch bigint;

-- The newest attempt of an import that was given up: a mover that comes back from before must not begin it again.
CREATE TABLE cellplane.ended_imports (
  tenant_id uuid NOT NULL,
  operation uuid NOT NULL,
  attempt integer NOT NULL,
  ended_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, operation)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON cellplane.ended_imports TO cell_system;

-- Who waits for a freeze's end, or for a confirmation, asks for these few rows again and again.
CREATE INDEX leases_frozen ON cellplane.leases (freeze_deadline) WHERE state = 'frozen';

-- As before, and one more refusal: a transaction belongs to one tenant for its whole life.
-- Raises CPL01 not owned at that epoch, CPL03 suspended, CPL06 the database's life is not confirmed, CPL07 the transaction is another tenant's.
CREATE OR REPLACE FUNCTION cellplane.enter(p_tenant uuid, p_epoch bigint) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  held record;
  v_entered text := current_setting('cellplane.tenant', true);
BEGIN
  IF v_entered <> '' AND v_entered <> p_tenant::text THEN
    RAISE EXCEPTION USING ERRCODE = 'CPL07', MESSAGE = 'this transaction belongs to another tenant';
  END IF;
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
