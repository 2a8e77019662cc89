-- What rollouts are planned and judged by.

-- Plans that were looked at, by their hash; one may be started, or nobody comes back for it.
CREATE TABLE rollout_plans (
  hash text PRIMARY KEY,
  application text NOT NULL,
  release text NOT NULL REFERENCES releases (name),
  requested_by text NOT NULL,
  document jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- A reading of a router's counters for each minute; two control planes store the same minute once.
CREATE TABLE router_readings (
  source text NOT NULL,
  minute timestamptz NOT NULL,
  reading jsonb NOT NULL,
  PRIMARY KEY (source, minute)
);
CREATE INDEX router_readings_by_minute ON router_readings (minute);

-- A rollout's watches over its waves: who was watched and compared with whom, the newest reading of each router, and every look.
CREATE TABLE rollout_watches (
  operation uuid NOT NULL REFERENCES operations (id),
  number integer NOT NULL,
  wave integer NOT NULL,
  began_at timestamptz NOT NULL,
  document jsonb NOT NULL,
  last jsonb NOT NULL,
  PRIMARY KEY (operation, number)
);
CREATE TABLE rollout_looks (
  operation uuid NOT NULL,
  number integer NOT NULL,
  look integer NOT NULL,
  document jsonb NOT NULL,
  PRIMARY KEY (operation, number, look),
  FOREIGN KEY (operation, number) REFERENCES rollout_watches (operation, number) ON DELETE CASCADE
);

-- A cell is changed by rollouts within these windows only; always where there are none.
ALTER TABLE cells ADD COLUMN maintenance jsonb NOT NULL DEFAULT '[]';
