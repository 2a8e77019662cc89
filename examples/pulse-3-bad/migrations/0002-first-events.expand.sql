-- When each tenant's oldest known event happened; it outlives the event, which the retention removes.
CREATE TABLE first_events (
  tenant_id uuid NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id)
);
SELECT cellplane.protect_table('first_events');
