-- Who is told of what happens, by signed webhooks.
CREATE TABLE webhook_endpoints (
  id uuid PRIMARY KEY,
  url text NOT NULL,
  -- Every message to it is signed with this; it is shown once, when the endpoint is added.
  secret text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  -- Its receiver said that it is gone.
  gone_at timestamptz
);

-- What is to be told, written in the transaction of what it tells about.
CREATE TABLE webhook_messages (
  id text PRIMARY KEY,
  type text NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhook_messages_by_age ON webhook_messages (created_at);

CREATE TABLE webhook_deliveries (
  message text NOT NULL REFERENCES webhook_messages (id) ON DELETE CASCADE,
  endpoint uuid NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
  tries integer NOT NULL DEFAULT 0,
  -- When it is tried next; null where it was delivered or given up.
  next_at timestamptz DEFAULT now(),
  tried_at timestamptz,
  delivered_at timestamptz,
  status integer,
  error text,
  PRIMARY KEY (message, endpoint)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint, message);
