-- The two PostgreSQL roles of Écluse: what the gateway and the console may do, and nothing more.
-- Written by 'ecluse db roles' from ecluse/grants.py; do not edit.
--
-- Run it as the owner of the tables (who made them with 'ecluse db migrate'), once in each database; again at any
-- time, it changes nothing. 'ecluse db migrate' gives new tables to the roles named in the settings by itself.
--
--   psql -d ecluse_policy -f roles.sql
--   psql -d ecluse_traces -f roles.sql
--   psql -d ecluse -v gateway=bastion_gw -v console=bastion_ui -f roles.sql     -- other names
--
-- The roles are made without a password: give them one (\password ecluse_gateway), or let pg_hba.conf ask for a
-- certificate. Making roles needs CREATEROLE; where the owner has none, have them made beforehand.

\set ON_ERROR_STOP on
\if :{?gateway} \else \set gateway ecluse_gateway \endif
\if :{?console} \else \set console ecluse_console \endif
SELECT current_database() AS this_database, current_schema() AS this_schema \gset
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'gateway') AS no_gateway,
       NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'console') AS no_console \gset

BEGIN;
\if :no_gateway
CREATE ROLE :"gateway" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOBYPASSRLS;
\endif
\if :no_console
CREATE ROLE :"console" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOBYPASSRLS;
\endif
REVOKE ALL ON DATABASE :"this_database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"this_database" TO :"gateway", :"console";
REVOKE ALL ON SCHEMA :"this_schema" FROM PUBLIC;
GRANT USAGE ON SCHEMA :"this_schema" TO :"gateway", :"console";
REVOKE ALL ON ALL TABLES IN SCHEMA :"this_schema" FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA :"this_schema" FROM PUBLIC;

-- policy
SELECT to_regclass('hospitals') IS NOT NULL AS here \gset
\if :here
REVOKE ALL ON account_secrets FROM :"gateway";
GRANT SELECT ON account_secrets TO :"gateway";
REVOKE ALL ON accounts FROM :"gateway";
GRANT SELECT ON accounts TO :"gateway";
REVOKE ALL ON alembic_version FROM :"gateway";
GRANT SELECT ON alembic_version TO :"gateway";
REVOKE ALL ON attempts FROM :"gateway";
GRANT SELECT, INSERT, UPDATE (outcome) ON attempts TO :"gateway";
REVOKE ALL ON authority_keys FROM :"gateway";
GRANT SELECT ON authority_keys TO :"gateway";
REVOKE ALL ON continuations FROM :"gateway";
GRANT SELECT, INSERT, UPDATE (uses), DELETE ON continuations TO :"gateway";
REVOKE ALL ON derogations FROM :"gateway";
GRANT SELECT ON derogations TO :"gateway";
REVOKE ALL ON device_authorities FROM :"gateway";
GRANT SELECT ON device_authorities TO :"gateway";
REVOKE ALL ON device_groups FROM :"gateway";
GRANT SELECT ON device_groups TO :"gateway";
REVOKE ALL ON devices FROM :"gateway";
GRANT SELECT ON devices TO :"gateway";
REVOKE ALL ON engagement_duties FROM :"gateway";
GRANT SELECT ON engagement_duties TO :"gateway";
REVOKE ALL ON engagement_texts FROM :"gateway";
GRANT SELECT ON engagement_texts TO :"gateway";
REVOKE ALL ON engagements FROM :"gateway";
GRANT SELECT ON engagements TO :"gateway";
REVOKE ALL ON extensions FROM :"gateway";
GRANT SELECT, INSERT ON extensions TO :"gateway";
REVOKE ALL ON hospitals FROM :"gateway";
GRANT SELECT ON hospitals TO :"gateway";
REVOKE ALL ON interventions FROM :"gateway";
GRANT SELECT, INSERT, UPDATE (state) ON interventions TO :"gateway";
REVOKE ALL ON login_authorities FROM :"gateway";
GRANT SELECT ON login_authorities TO :"gateway";
REVOKE ALL ON nodes FROM :"gateway";
GRANT SELECT, INSERT, UPDATE (started_at, beat_at) ON nodes TO :"gateway";
REVOKE ALL ON occurrences FROM :"gateway";
GRANT SELECT, INSERT ON occurrences TO :"gateway";
REVOKE ALL ON outbox FROM :"gateway";
GRANT SELECT, INSERT ON outbox TO :"gateway";
REVOKE ALL ON passwords FROM :"gateway";
GRANT SELECT ON passwords TO :"gateway";
REVOKE ALL ON people FROM :"gateway";
GRANT SELECT ON people TO :"gateway";
REVOKE ALL ON recovery_codes FROM :"gateway";
GRANT SELECT (hospital_id, person_id, used_at) ON recovery_codes TO :"gateway";
REVOKE ALL ON reports FROM :"gateway";
GRANT SELECT, INSERT, UPDATE (state, goal, what, facts, filed_at) ON reports TO :"gateway";
REVOKE ALL ON revocation_lists FROM :"gateway";
GRANT SELECT ON revocation_lists TO :"gateway";
REVOKE ALL ON revocations FROM :"gateway";
GRANT SELECT ON revocations TO :"gateway";
REVOKE ALL ON sessions FROM :"gateway";
GRANT SELECT, INSERT, UPDATE (closed_at, end_reason) ON sessions TO :"gateway";
REVOKE ALL ON ssh_keys FROM :"gateway";
GRANT SELECT ON ssh_keys TO :"gateway";
REVOKE ALL ON suppliers FROM :"gateway";
GRANT SELECT ON suppliers TO :"gateway";
REVOKE ALL ON tasks FROM :"gateway";
GRANT SELECT, UPDATE (state, node, claimed_at, finished_at, result) ON tasks TO :"gateway";
REVOKE ALL ON token_certificates FROM :"gateway";
GRANT SELECT, UPDATE (revoked_as, revoked_at, revoked_by) ON token_certificates TO :"gateway";
REVOKE ALL ON totp_secrets FROM :"gateway";
GRANT SELECT ON totp_secrets TO :"gateway";
REVOKE ALL ON totp_uses FROM :"gateway";
GRANT INSERT ON totp_uses TO :"gateway";
REVOKE ALL ON trust_anchors FROM :"gateway";
GRANT SELECT ON trust_anchors TO :"gateway";
REVOKE ALL ON window_devices FROM :"gateway";
GRANT SELECT, INSERT ON window_devices TO :"gateway";
REVOKE ALL ON window_groups FROM :"gateway";
GRANT SELECT, INSERT ON window_groups TO :"gateway";
REVOKE ALL ON window_people FROM :"gateway";
GRANT SELECT, INSERT ON window_people TO :"gateway";
REVOKE ALL ON windows FROM :"gateway";
GRANT SELECT, INSERT, UPDATE (state, version) ON windows TO :"gateway";
REVOKE ALL ON zones FROM :"gateway";
GRANT SELECT ON zones TO :"gateway";
GRANT USAGE ON SEQUENCE attempts_position_seq TO :"gateway";
GRANT USAGE ON SEQUENCE outbox_position_seq TO :"gateway";
REVOKE ALL ON alarm_calls FROM :"gateway";
REVOKE ALL ON alarm_tallies FROM :"gateway";
REVOKE ALL ON alarms FROM :"gateway";
REVOKE ALL ON console_readings FROM :"gateway";
REVOKE ALL ON console_sessions FROM :"gateway";
REVOKE ALL ON invitations FROM :"gateway";
REVOKE ALL ON journal_bookmarks FROM :"gateway";
REVOKE ALL ON journal_readers FROM :"gateway";
REVOKE ALL ON mails FROM :"gateway";
REVOKE ALL ON tokens FROM :"gateway";
REVOKE ALL ON visits FROM :"gateway";
REVOKE ALL ON account_secrets FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON account_secrets TO :"console";
REVOKE ALL ON accounts FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO :"console";
REVOKE ALL ON alarm_calls FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON alarm_calls TO :"console";
REVOKE ALL ON alarm_tallies FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON alarm_tallies TO :"console";
REVOKE ALL ON alarms FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON alarms TO :"console";
REVOKE ALL ON alembic_version FROM :"console";
GRANT SELECT ON alembic_version TO :"console";
REVOKE ALL ON attempts FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON attempts TO :"console";
REVOKE ALL ON authority_keys FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON authority_keys TO :"console";
REVOKE ALL ON console_readings FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON console_readings TO :"console";
REVOKE ALL ON console_sessions FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON console_sessions TO :"console";
REVOKE ALL ON continuations FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON continuations TO :"console";
REVOKE ALL ON derogations FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON derogations TO :"console";
REVOKE ALL ON device_authorities FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON device_authorities TO :"console";
REVOKE ALL ON device_groups FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON device_groups TO :"console";
REVOKE ALL ON devices FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON devices TO :"console";
REVOKE ALL ON engagement_duties FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON engagement_duties TO :"console";
REVOKE ALL ON engagement_texts FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON engagement_texts TO :"console";
REVOKE ALL ON engagements FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON engagements TO :"console";
REVOKE ALL ON extensions FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON extensions TO :"console";
REVOKE ALL ON hospitals FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON hospitals TO :"console";
REVOKE ALL ON interventions FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON interventions TO :"console";
REVOKE ALL ON invitations FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO :"console";
REVOKE ALL ON journal_bookmarks FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON journal_bookmarks TO :"console";
REVOKE ALL ON journal_readers FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON journal_readers TO :"console";
REVOKE ALL ON login_authorities FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON login_authorities TO :"console";
REVOKE ALL ON mails FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON mails TO :"console";
REVOKE ALL ON nodes FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON nodes TO :"console";
REVOKE ALL ON occurrences FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON occurrences TO :"console";
REVOKE ALL ON outbox FROM :"console";
GRANT SELECT, INSERT, DELETE ON outbox TO :"console";
REVOKE ALL ON passwords FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON passwords TO :"console";
REVOKE ALL ON people FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON people TO :"console";
REVOKE ALL ON recovery_codes FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON recovery_codes TO :"console";
REVOKE ALL ON reports FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON reports TO :"console";
REVOKE ALL ON revocation_lists FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON revocation_lists TO :"console";
REVOKE ALL ON revocations FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON revocations TO :"console";
REVOKE ALL ON sessions FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO :"console";
REVOKE ALL ON ssh_keys FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON ssh_keys TO :"console";
REVOKE ALL ON suppliers FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON suppliers TO :"console";
REVOKE ALL ON tasks FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON tasks TO :"console";
REVOKE ALL ON token_certificates FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON token_certificates TO :"console";
REVOKE ALL ON tokens FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON tokens TO :"console";
REVOKE ALL ON totp_secrets FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON totp_secrets TO :"console";
REVOKE ALL ON totp_uses FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON totp_uses TO :"console";
REVOKE ALL ON trust_anchors FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON trust_anchors TO :"console";
REVOKE ALL ON visits FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON visits TO :"console";
REVOKE ALL ON window_devices FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON window_devices TO :"console";
REVOKE ALL ON window_groups FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON window_groups TO :"console";
REVOKE ALL ON window_people FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON window_people TO :"console";
REVOKE ALL ON windows FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON windows TO :"console";
REVOKE ALL ON zones FROM :"console";
GRANT SELECT, INSERT, UPDATE, DELETE ON zones TO :"console";
GRANT USAGE ON SEQUENCE attempts_position_seq TO :"console";
GRANT USAGE ON SEQUENCE outbox_position_seq TO :"console";
ALTER TABLE extensions ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON extensions;
CREATE POLICY ecluse_console ON extensions TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON extensions;
CREATE POLICY ecluse_gateway_select ON extensions FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON extensions;
CREATE POLICY ecluse_gateway_insert ON extensions FOR INSERT TO :"gateway" WITH CHECK (decided_by IS NULL AND approved IS NULL);
ALTER TABLE interventions ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON interventions;
CREATE POLICY ecluse_console ON interventions TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON interventions;
CREATE POLICY ecluse_gateway_select ON interventions FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON interventions;
CREATE POLICY ecluse_gateway_insert ON interventions FOR INSERT TO :"gateway" WITH CHECK (state = 'requested');
DROP POLICY IF EXISTS ecluse_gateway_update ON interventions;
CREATE POLICY ecluse_gateway_update ON interventions FOR UPDATE TO :"gateway" USING (state = 'requested') WITH CHECK (state = 'cancelled');
ALTER TABLE occurrences ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON occurrences;
CREATE POLICY ecluse_console ON occurrences TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON occurrences;
CREATE POLICY ecluse_gateway_select ON occurrences FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON occurrences;
CREATE POLICY ecluse_gateway_insert ON occurrences FOR INSERT TO :"gateway" WITH CHECK (EXISTS (SELECT FROM windows AS w WHERE w.hospital_id = occurrences.hospital_id AND w.id = occurrences.window_id AND w.state = 'planned'));
ALTER TABLE reports ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON reports;
CREATE POLICY ecluse_console ON reports TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON reports;
CREATE POLICY ecluse_gateway_select ON reports FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON reports;
CREATE POLICY ecluse_gateway_insert ON reports FOR INSERT TO :"gateway" WITH CHECK (state = 'filed' AND acknowledged_by IS NULL);
DROP POLICY IF EXISTS ecluse_gateway_update ON reports;
CREATE POLICY ecluse_gateway_update ON reports FOR UPDATE TO :"gateway" USING (state = 'filed' AND acknowledged_by IS NULL) WITH CHECK (state = 'filed' AND acknowledged_by IS NULL);
ALTER TABLE token_certificates ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON token_certificates;
CREATE POLICY ecluse_console ON token_certificates TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON token_certificates;
CREATE POLICY ecluse_gateway_select ON token_certificates FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_update ON token_certificates;
CREATE POLICY ecluse_gateway_update ON token_certificates FOR UPDATE TO :"gateway" USING (true) WITH CHECK (revoked_as IS NOT NULL);
ALTER TABLE window_devices ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON window_devices;
CREATE POLICY ecluse_console ON window_devices TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON window_devices;
CREATE POLICY ecluse_gateway_select ON window_devices FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON window_devices;
CREATE POLICY ecluse_gateway_insert ON window_devices FOR INSERT TO :"gateway" WITH CHECK (EXISTS (SELECT FROM windows AS w WHERE w.hospital_id = window_devices.hospital_id AND w.id = window_devices.window_id AND w.state = 'planned'));
ALTER TABLE window_groups ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON window_groups;
CREATE POLICY ecluse_console ON window_groups TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON window_groups;
CREATE POLICY ecluse_gateway_select ON window_groups FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON window_groups;
CREATE POLICY ecluse_gateway_insert ON window_groups FOR INSERT TO :"gateway" WITH CHECK (EXISTS (SELECT FROM windows AS w WHERE w.hospital_id = window_groups.hospital_id AND w.id = window_groups.window_id AND w.state = 'planned'));
ALTER TABLE window_people ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON window_people;
CREATE POLICY ecluse_console ON window_people TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON window_people;
CREATE POLICY ecluse_gateway_select ON window_people FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON window_people;
CREATE POLICY ecluse_gateway_insert ON window_people FOR INSERT TO :"gateway" WITH CHECK (EXISTS (SELECT FROM windows AS w WHERE w.hospital_id = window_people.hospital_id AND w.id = window_people.window_id AND w.state = 'planned'));
ALTER TABLE windows ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON windows;
CREATE POLICY ecluse_console ON windows TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON windows;
CREATE POLICY ecluse_gateway_select ON windows FOR SELECT TO :"gateway" USING (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON windows;
CREATE POLICY ecluse_gateway_insert ON windows FOR INSERT TO :"gateway" WITH CHECK (state = 'planned' AND approved_by IS NULL);
DROP POLICY IF EXISTS ecluse_gateway_update ON windows;
CREATE POLICY ecluse_gateway_update ON windows FOR UPDATE TO :"gateway" USING (state = 'planned') WITH CHECK (state = 'cancelled');
\endif

-- traces
SELECT to_regclass('checkpoint_deliveries') IS NOT NULL AS here \gset
\if :here
REVOKE ALL ON journal_entries FROM :"gateway";
GRANT SELECT, INSERT ON journal_entries TO :"gateway";
REVOKE ALL ON recorder_version FROM :"gateway";
GRANT SELECT ON recorder_version TO :"gateway";
REVOKE ALL ON sessions_closed FROM :"gateway";
GRANT INSERT ON sessions_closed TO :"gateway";
REVOKE ALL ON sessions_opened FROM :"gateway";
GRANT INSERT ON sessions_opened TO :"gateway";
REVOKE ALL ON checkpoint_deliveries FROM :"gateway";
REVOKE ALL ON checkpoint_facts FROM :"gateway";
REVOKE ALL ON checkpoint_heads FROM :"gateway";
REVOKE ALL ON checkpoint_stamps FROM :"gateway";
REVOKE ALL ON checkpoints FROM :"gateway";
REVOKE ALL ON sessions_purged FROM :"gateway";
REVOKE ALL ON checkpoint_deliveries FROM :"console";
GRANT SELECT, INSERT ON checkpoint_deliveries TO :"console";
REVOKE ALL ON checkpoint_facts FROM :"console";
GRANT SELECT, INSERT ON checkpoint_facts TO :"console";
REVOKE ALL ON checkpoint_heads FROM :"console";
GRANT SELECT, INSERT ON checkpoint_heads TO :"console";
REVOKE ALL ON checkpoint_stamps FROM :"console";
GRANT SELECT, INSERT ON checkpoint_stamps TO :"console";
REVOKE ALL ON checkpoints FROM :"console";
GRANT SELECT, INSERT ON checkpoints TO :"console";
REVOKE ALL ON journal_entries FROM :"console";
GRANT SELECT, INSERT ON journal_entries TO :"console";
REVOKE ALL ON recorder_version FROM :"console";
GRANT SELECT ON recorder_version TO :"console";
REVOKE ALL ON sessions_closed FROM :"console";
GRANT SELECT, INSERT ON sessions_closed TO :"console";
REVOKE ALL ON sessions_opened FROM :"console";
GRANT SELECT, INSERT ON sessions_opened TO :"console";
REVOKE ALL ON sessions_purged FROM :"console";
GRANT SELECT, INSERT ON sessions_purged TO :"console";
ALTER TABLE journal_entries ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS ecluse_console ON journal_entries;
CREATE POLICY ecluse_console ON journal_entries TO :"console" USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_insert ON journal_entries;
CREATE POLICY ecluse_gateway_insert ON journal_entries FOR INSERT TO :"gateway" WITH CHECK (true);
DROP POLICY IF EXISTS ecluse_gateway_select ON journal_entries;
CREATE POLICY ecluse_gateway_select ON journal_entries FOR SELECT TO :"gateway" USING (name = 'authentication.succeeded');
\endif
COMMIT;
