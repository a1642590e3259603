-- Trust `distributed`: what the coordinator of the secure sum has decided and been told, in order. Its state is the fold of these facts.

SET ROLE fc_owner;

-- mutable: written once, when the operator starts the plan
ALTER TABLE federation.plan ADD COLUMN started_at timestamptz(3);
GRANT UPDATE (started_at) ON federation.plan TO fc_global;

CREATE TABLE rounds.masking_fact (
  -- immutable
  plan_hash text NOT NULL REFERENCES federation.plan (plan_hash),
  seq integer NOT NULL CHECK (seq >= 0),
  fact bytea NOT NULL,
  -- Of the messages that brought this fact and that it sent out, bodies and headers.
  bytes_up bigint NOT NULL CHECK (bytes_up >= 0),
  bytes_down bigint NOT NULL CHECK (bytes_down >= 0),
  -- audit; phases are timed by it
  appended_at timestamptz(3) NOT NULL,
  PRIMARY KEY (plan_hash, seq)
);
GRANT SELECT, INSERT ON rounds.masking_fact TO fc_global;

CREATE FUNCTION rounds.refuse_masking_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rounds.masking_fact is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rounds.masking_fact
  FOR EACH ROW EXECUTE FUNCTION rounds.refuse_masking_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON rounds.masking_fact
  FOR EACH STATEMENT EXECUTE FUNCTION rounds.refuse_masking_change();

RESET ROLE;
