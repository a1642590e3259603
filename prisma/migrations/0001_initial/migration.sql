-- Postgres schemas by owner, one role each. Tables belong to fc_owner, which nobody logs in as; login users are members of the group roles.
-- Columns are grouped as immutable (written once), mutable (the role may update them: see the column grants) and audit.

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['fc_owner', 'fc_global', 'fc_accountant', 'fc_region', 'fc_api'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- Roles belong to the whole server: another of its databases was migrated at the same moment.
    END;
  END LOOP;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('GRANT fc_owner TO %I', current_user);
  END IF;
END $$;

CREATE SCHEMA federation AUTHORIZATION fc_owner;
CREATE SCHEMA rounds AUTHORIZATION fc_owner;
CREATE SCHEMA region AUTHORIZATION fc_owner;
CREATE SCHEMA privacy AUTHORIZATION fc_owner;
CREATE SCHEMA ledger AUTHORIZATION fc_owner;
CREATE SCHEMA published AUTHORIZATION fc_owner;
CREATE SCHEMA outbox AUTHORIZATION fc_owner;

SET ROLE fc_owner;

-- federation: plans and their members. Written by fc_global.

CREATE TABLE federation.plan (
  -- immutable
  plan_hash text PRIMARY KEY CHECK (plan_hash ~ '^[0-9a-f]{64}$'),
  name text NOT NULL,
  body bytea NOT NULL,
  -- mutable
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'completed')),
  -- audit
  opened_at timestamptz(3) NOT NULL
);

CREATE TABLE federation.member (
  -- immutable
  plan_hash text NOT NULL REFERENCES federation.plan (plan_hash),
  holder text NOT NULL,
  dataset text NOT NULL,
  region text NOT NULL,
  public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
  PRIMARY KEY (plan_hash, holder)
);

GRANT USAGE ON SCHEMA federation TO fc_global, fc_accountant, fc_api;
GRANT SELECT, INSERT ON federation.plan, federation.member TO fc_global;
GRANT UPDATE (status) ON federation.plan TO fc_global;
GRANT SELECT ON federation.plan, federation.member TO fc_accountant, fc_api;

-- rounds: what global-aggregator decided. Written by fc_global.

CREATE TABLE rounds.round (
  -- immutable
  round_id text PRIMARY KEY,
  plan_hash text NOT NULL REFERENCES federation.plan (plan_hash),
  index integer NOT NULL CHECK (index > 0),
  purpose text NOT NULL CHECK (purpose IN ('model', 'benchmarks')),
  seed text NOT NULL,
  sigma_squared double precision NOT NULL CHECK (sigma_squared > 0),
  sensitivity_squared integer NOT NULL CHECK (sensitivity_squared > 0),
  steps integer NOT NULL CHECK (steps > 0),
  bits integer NOT NULL CHECK (bits BETWEEN 1 AND 31),
  length integer NOT NULL CHECK (length > 0),
  opened_at timestamptz(3) NOT NULL,
  regional_deadline_at timestamptz(3) NOT NULL,
  deadline_at timestamptz(3) NOT NULL,
  -- mutable: written once, at the close
  status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'released', 'abandoned')),
  reason text,
  closed_at timestamptz(3),
  participants integer,
  aggregate bytea,
  bytes_up bigint,
  bytes_down bigint,
  UNIQUE (plan_hash, index),
  CHECK ((status = 'open') = (closed_at IS NULL)),
  CHECK ((status = 'released') = (aggregate IS NOT NULL))
);
CREATE UNIQUE INDEX round_one_open_per_plan ON rounds.round (plan_hash) WHERE status = 'open';

CREATE TABLE rounds.regional_report (
  -- immutable
  round_id text NOT NULL REFERENCES rounds.round (round_id),
  region text NOT NULL,
  payload bytea NOT NULL,
  signature bytea NOT NULL,
  -- audit
  received_at timestamptz(3) NOT NULL,
  PRIMARY KEY (round_id, region)
);

CREATE TABLE rounds.accepted_update (
  -- immutable
  round_id text NOT NULL REFERENCES rounds.round (round_id),
  holder text NOT NULL,
  attempt integer NOT NULL CHECK (attempt > 0),
  update_digest text NOT NULL,
  region text NOT NULL,
  PRIMARY KEY (round_id, holder)
);

CREATE FUNCTION rounds.refuse_reopening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'round % is closed (%) and cannot change', OLD.round_id, OLD.status USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER closed_is_final BEFORE UPDATE ON rounds.round
  FOR EACH ROW WHEN (OLD.status <> 'open') EXECUTE FUNCTION rounds.refuse_reopening();

GRANT USAGE ON SCHEMA rounds TO fc_global, fc_api;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA rounds TO fc_global;
GRANT UPDATE (status, reason, closed_at, participants, aggregate, bytes_up, bytes_down) ON rounds.round TO fc_global;
GRANT SELECT ON rounds.round, rounds.accepted_update TO fc_api;

-- region: a regional aggregator's own record. It may live in another database, so nothing here refers to other schemas.

CREATE TABLE region.round (
  -- immutable
  region text NOT NULL,
  round_id text NOT NULL,
  plan_hash text NOT NULL,
  task bytea NOT NULL,
  task_signature bytea NOT NULL,
  picked text[] NOT NULL,
  deadline_at timestamptz(3) NOT NULL,
  -- mutable: written once, when reported
  status text NOT NULL DEFAULT 'collecting' CHECK (status IN ('collecting', 'reported')),
  report bytea,
  report_signature bytea,
  PRIMARY KEY (region, round_id),
  CHECK ((status = 'reported') = (report IS NOT NULL AND report_signature IS NOT NULL))
);

CREATE TABLE region.update (
  -- immutable
  region text NOT NULL,
  round_id text NOT NULL,
  holder text NOT NULL,
  attempt integer NOT NULL CHECK (attempt > 0),
  update_digest text NOT NULL,
  payload bytea NOT NULL,
  verdict text NOT NULL CHECK (verdict IN ('accepted', 'rejected', 'late', 'duplicate')),
  reason text,
  receipt bytea NOT NULL,
  receipt_signature bytea NOT NULL,
  -- audit
  received_at timestamptz(3) NOT NULL,
  PRIMARY KEY (region, round_id, holder, attempt, update_digest),
  FOREIGN KEY (region, round_id) REFERENCES region.round (region, round_id)
);
CREATE UNIQUE INDEX update_one_accepted_per_holder ON region.update (region, round_id, holder) WHERE verdict = 'accepted';

CREATE TABLE region.declined (
  -- immutable
  region text NOT NULL,
  round_id text NOT NULL,
  holder text NOT NULL,
  decline bytea NOT NULL,
  signature bytea NOT NULL,
  -- audit
  received_at timestamptz(3) NOT NULL,
  PRIMARY KEY (region, round_id, holder),
  FOREIGN KEY (region, round_id) REFERENCES region.round (region, round_id)
);

GRANT USAGE ON SCHEMA region TO fc_region;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA region TO fc_region;
GRANT UPDATE (status, report, report_signature) ON region.round TO fc_region;

-- privacy: budgets and charges. Written by fc_accountant. Charges store the event; epsilon is derived by the accountant, never summed here.

CREATE TABLE privacy.budget (
  -- immutable
  holder text NOT NULL,
  dataset text NOT NULL,
  -- mutable: may only go down
  epsilon double precision NOT NULL CHECK (epsilon > 0),
  delta double precision NOT NULL CHECK (delta > 0 AND delta < 1),
  -- audit
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (holder, dataset)
);

CREATE TABLE privacy.reservation (
  -- immutable
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  holder text NOT NULL,
  dataset text NOT NULL,
  plan_hash text NOT NULL,
  round_id text NOT NULL,
  attempt integer NOT NULL CHECK (attempt > 0),
  sigma_squared double precision NOT NULL CHECK (sigma_squared > 0),
  sensitivity_squared integer NOT NULL CHECK (sensitivity_squared > 0),
  steps integer NOT NULL CHECK (steps > 0),
  -- mutable: until committed
  status text NOT NULL CHECK (status IN ('reserved', 'committed', 'expired')),
  expires_at timestamptz(3) NOT NULL,
  update_digest text,
  commit_statement bytea,
  commit_signature bytea,
  committed_at timestamptz(3),
  -- audit
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  UNIQUE (holder, dataset, plan_hash, round_id, attempt),
  FOREIGN KEY (holder, dataset) REFERENCES privacy.budget (holder, dataset),
  CHECK ((status = 'committed') = (update_digest IS NOT NULL AND commit_statement IS NOT NULL AND commit_signature IS NOT NULL AND committed_at IS NOT NULL))
);

CREATE TABLE privacy.refusal (
  -- immutable
  holder text NOT NULL,
  dataset text NOT NULL,
  plan_hash text NOT NULL,
  round_id text NOT NULL,
  attempt integer NOT NULL CHECK (attempt > 0),
  sigma_squared double precision NOT NULL,
  sensitivity_squared integer NOT NULL,
  steps integer NOT NULL,
  reason text NOT NULL,
  -- audit
  refused_at timestamptz(3) NOT NULL DEFAULT now(),
  PRIMARY KEY (holder, dataset, plan_hash, round_id, attempt),
  FOREIGN KEY (holder, dataset) REFERENCES privacy.budget (holder, dataset)
);

CREATE FUNCTION privacy.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'privacy.%: %', TG_TABLE_NAME, TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER only_lower BEFORE UPDATE ON privacy.budget
  FOR EACH ROW WHEN (NEW.epsilon > OLD.epsilon OR NEW.delta > OLD.delta)
  EXECUTE FUNCTION privacy.refuse_change('a budget may only be lowered');
CREATE TRIGGER commit_is_final BEFORE UPDATE ON privacy.reservation
  FOR EACH ROW WHEN (OLD.status = 'committed') EXECUTE FUNCTION privacy.refuse_change('a commit is final');
CREATE TRIGGER charges_stay BEFORE DELETE ON privacy.reservation
  FOR EACH ROW EXECUTE FUNCTION privacy.refuse_change('charges are never deleted');
CREATE TRIGGER charges_stay_all BEFORE TRUNCATE ON privacy.reservation
  FOR EACH STATEMENT EXECUTE FUNCTION privacy.refuse_change('charges are never deleted');

-- What was charged, without the reservations that may still lapse.
CREATE VIEW privacy.charge AS
  SELECT id, holder, dataset, plan_hash, round_id, attempt, sigma_squared, sensitivity_squared, steps, update_digest, committed_at
  FROM privacy.reservation WHERE status = 'committed';

GRANT USAGE ON SCHEMA privacy TO fc_global, fc_accountant, fc_api;
GRANT SELECT, INSERT ON privacy.budget, privacy.reservation, privacy.refusal TO fc_accountant;
GRANT UPDATE (epsilon, delta) ON privacy.budget TO fc_accountant;
GRANT UPDATE (status, expires_at, update_digest, commit_statement, commit_signature, committed_at) ON privacy.reservation TO fc_accountant;
GRANT SELECT ON privacy.charge, privacy.budget TO fc_global, fc_accountant, fc_api;

-- ledger: append-only for everybody, the owner included. ledger.append is the only way in.

CREATE TABLE ledger.head (
  -- immutable
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  -- mutable: by ledger.chain alone
  size bigint NOT NULL,
  chain_hash bytea NOT NULL CHECK (octet_length(chain_hash) = 32)
);
INSERT INTO ledger.head (size, chain_hash) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE TABLE ledger.entry (
  -- immutable
  seq bigint PRIMARY KEY,
  kind text NOT NULL,
  body bytea NOT NULL,
  leaf_hash bytea NOT NULL,
  chain_hash bytea NOT NULL,
  -- audit
  appended_at timestamptz(3) NOT NULL
);

CREATE TABLE ledger.checkpoint (
  -- immutable
  size bigint PRIMARY KEY,
  note text NOT NULL,
  -- audit
  signed_at timestamptz(3) NOT NULL DEFAULT clock_timestamp()
);

-- Gives an entry its place. The head's row lock orders writers until they commit, so seq has no gap whatever rolls back.
-- leaf = SHA-256(0x00 || body) (RFC 6962, section 2.1), chain = SHA-256(previous chain || leaf).
CREATE FUNCTION ledger.chain() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.leaf_hash := sha256('\x00'::bytea || NEW.body);
  UPDATE ledger.head AS head SET size = head.size + 1, chain_hash = sha256(head.chain_hash || NEW.leaf_hash)
    RETURNING head.size - 1, head.chain_hash INTO STRICT NEW.seq, NEW.chain_hash;
  NEW.appended_at := clock_timestamp();
  RETURN NEW;
END $$;
CREATE TRIGGER chain BEFORE INSERT ON ledger.entry FOR EACH ROW EXECUTE FUNCTION ledger.chain();

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'ledger.% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.entry FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON ledger.entry FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.checkpoint FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON ledger.checkpoint FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER forward_only BEFORE UPDATE ON ledger.head
  FOR EACH ROW WHEN (NEW.size <> OLD.size + 1) EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER forward_only_all BEFORE DELETE OR TRUNCATE ON ledger.head
  FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Call it last in a transaction, after per-client row locks: the head stays locked until the commit.
CREATE FUNCTION ledger.append(kind text, body bytea) RETURNS TABLE (seq bigint, leaf_hash bytea, chain_hash bytea)
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO ledger.entry (kind, body) VALUES (append.kind, append.body)
  RETURNING entry.seq, entry.leaf_hash, entry.chain_hash
$$;

-- Keeps a signed note over the current head; any other size is refused, so that a note never speaks of entries that are not there.
CREATE FUNCTION ledger.add_checkpoint(size bigint, note text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head_size bigint;
BEGIN
  SELECT head.size INTO STRICT head_size FROM ledger.head FOR UPDATE;
  IF add_checkpoint.size IS DISTINCT FROM head_size THEN
    RAISE EXCEPTION 'a checkpoint of size % does not fit the ledger, which has % entries', add_checkpoint.size, head_size
      USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO ledger.checkpoint (size, note) VALUES (add_checkpoint.size, add_checkpoint.note);
END $$;

REVOKE ALL ON FUNCTION ledger.append, ledger.add_checkpoint FROM PUBLIC;
GRANT USAGE ON SCHEMA ledger TO fc_global, fc_accountant, fc_api;
GRANT EXECUTE ON FUNCTION ledger.append TO fc_global, fc_accountant;
GRANT EXECUTE ON FUNCTION ledger.add_checkpoint TO fc_global;
GRANT SELECT ON ledger.head, ledger.entry, ledger.checkpoint TO fc_global, fc_api;

-- published: what the federation released. Written by fc_global.

CREATE TABLE published.model (
  -- immutable
  version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  plan_hash text NOT NULL REFERENCES federation.plan (plan_hash),
  round_id text NOT NULL UNIQUE REFERENCES rounds.round (round_id),
  weights bytea NOT NULL,
  digest text NOT NULL,
  epsilon double precision NOT NULL,
  rounds integer NOT NULL,
  -- audit
  created_at timestamptz(3) NOT NULL
);

CREATE TABLE published.benchmark_release (
  -- immutable
  version bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  plan_hash text NOT NULL REFERENCES federation.plan (plan_hash),
  round_id text NOT NULL UNIQUE REFERENCES rounds.round (round_id),
  counts bytea NOT NULL,
  digest text NOT NULL,
  noise_sd double precision NOT NULL,
  participants integer NOT NULL,
  epsilon double precision NOT NULL,
  -- audit
  created_at timestamptz(3) NOT NULL
);

GRANT USAGE ON SCHEMA published TO fc_global, fc_api;
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA published TO fc_global;
GRANT SELECT ON ALL TABLES IN SCHEMA published TO fc_api;

-- outbox: messages written in the transaction of the fact that they announce, published afterwards.
-- The global aggregator sees its own rows only; a login of a region sees the rows of every region, which the regional aggregator tells apart by owner.

CREATE TABLE outbox.message (
  -- immutable
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner text NOT NULL CHECK (owner = 'global' OR owner LIKE 'region:%'),
  subject text NOT NULL,
  message_id text NOT NULL,
  payload bytea NOT NULL,
  signature bytea NOT NULL,
  -- audit
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  -- mutable
  published_at timestamptz(3),
  UNIQUE (owner, message_id)
);
CREATE INDEX message_pending ON outbox.message (owner, id) WHERE published_at IS NULL;

ALTER TABLE outbox.message ENABLE ROW LEVEL SECURITY;
CREATE POLICY global_rows ON outbox.message TO fc_global USING (owner = 'global');
CREATE POLICY region_rows ON outbox.message TO fc_region USING (owner LIKE 'region:%');
GRANT USAGE ON SCHEMA outbox TO fc_global, fc_region;
GRANT SELECT, INSERT ON outbox.message TO fc_global, fc_region;
GRANT UPDATE (published_at) ON outbox.message TO fc_global, fc_region;

RESET ROLE;
