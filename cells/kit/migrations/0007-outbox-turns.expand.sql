-- cellplane:concurrently
-- The order of a tenant's turn (0003), on a table that every job passes through.
CREATE INDEX CONCURRENTLY IF NOT EXISTS outbox_turns ON cellplane.outbox (tenant_id, priority, run_at, id) WHERE enqueued_at IS NULL;
