"""What each process's PostgreSQL role may do, table by table: the source of ``deploy/postgres/roles.sql``.

Least privilege, derived from what the code does. The gateway reads policy and adds what it must; the catalogue and the
journal it only adds to. Where a privilege on a table would still let it decide something (approve a window, widen
one), a row rule (PostgreSQL's row security) says which rows it may write. A table that is not named here gives the
gateway nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, MetaData, Table

from policy.store.migrations.upgrade import MIGRATIONS as POLICY_MIGRATIONS
from policy.store.tables import metadata as policy_metadata
from recorder.store.migrations.upgrade import MIGRATIONS as TRACE_MIGRATIONS
from recorder.store.tables import metadata as trace_metadata
from schema.migrations import Migrations

POLICY_VERSION: Final = POLICY_MIGRATIONS.version_table
TRACE_VERSION: Final = TRACE_MIGRATIONS.version_table
POLICY_HISTORY: Final = POLICY_MIGRATIONS.history
TRACE_HISTORY: Final = TRACE_MIGRATIONS.history


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule:
    """Which rows a role may add or change: SQL conditions on the row before (*using*) and after (*check*)."""

    command: str
    using: str | None = None
    check: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a role may do with one table; *select* and *update* name columns, ``*`` means all of them."""

    select: tuple[str, ...] = ()
    insert: bool = False
    update: tuple[str, ...] = ()
    delete: bool = False
    rules: tuple[RowRule, ...] = ()

    def privileges(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Give each privilege with the columns it is limited to, none where it is for the whole table."""
        if self.select:
            yield "SELECT", () if self.select == ALL else self.select
        if self.insert:
            yield "INSERT", ()
        if self.update:
            yield "UPDATE", () if self.update == ALL else self.update
        if self.delete:
            yield "DELETE", ()


ALL: Final = ("*",)
READ: Final = Allowance(select=ALL)
_EVERYTHING: Final = Allowance(select=ALL, insert=True, update=ALL, delete=True)
_ONLY_ADDED: Final = Allowance(select=ALL, insert=True)

_STILL_ASKED: Final = (
    "EXISTS (SELECT FROM windows AS w WHERE w.hospital_id = {table}.hospital_id "
    "AND w.id = {table}.window_id AND w.state = 'planned')"
)


def _named(table: str) -> Allowance:
    """Return what is allowed on a table that says more of a window: only while nobody has approved it."""
    rule = RowRule(command="INSERT", check=_STILL_ASKED.format(table=table))
    return Allowance(select=ALL, insert=True, rules=(rule,))


_REPORT: Final = "state = 'filed' AND acknowledged_by IS NULL"

GATEWAY_POLICY: Final[Mapping[str, Allowance]] = {
    POLICY_VERSION: READ,
    POLICY_HISTORY: READ,
    **dict.fromkeys(
        (
            *("hospitals", "suppliers", "people", "passwords", "totp_secrets", "ssh_keys"),
            *("trust_anchors", "revocation_lists", "login_authorities"),
            *("zones", "devices", "device_groups", "accounts", "account_secrets"),
            *("device_authorities", "authority_keys", "derogations", "revocations"),
            *("engagements", "engagement_duties", "engagement_texts"),
        ),
        READ,
    ),
    # how many are left; the codes themselves are the console's
    "recovery_codes": Allowance(select=("hospital_id", "person_id", "used_at")),
    # what a responder called revoked is written beside the certificate, and taken back by nobody here
    "token_certificates": Allowance(
        select=ALL,
        update=("revoked_as", "revoked_at", "revoked_by"),
        rules=(RowRule(command="UPDATE", using="true", check="revoked_as IS NOT NULL"),),
    ),
    "attempts": Allowance(select=ALL, insert=True, update=("outcome",)),
    "totp_uses": Allowance(insert=True),
    "continuations": Allowance(select=ALL, insert=True, update=("uses",), delete=True),
    "nodes": Allowance(select=ALL, insert=True, update=("started_at", "beat_at", "hospital_id")),
    # a gateway claims names of gateways; what a claim says is sealed with more than a password of this database
    "programs": Allowance(
        select=ALL,
        insert=True,
        update=(
            *("claim", "host", "pid", "version", "policy_schema", "trace_schema"),
            *("started_at", "beat_at", "ended_at", "seal"),
        ),
        rules=(
            RowRule(command="INSERT", check="kind = 'gateway'"),
            RowRule(command="UPDATE", using="kind = 'gateway'", check="kind = 'gateway'"),
        ),
    ),
    # a gateway ends what is open, another's that is gone too, and says the true end of what one took for interrupted; none
    # opens again, and no end that was said is said anew
    "sessions": Allowance(
        select=ALL,
        insert=True,
        update=("closed_at", "end_reason"),
        rules=(
            RowRule(command="INSERT", check="closed_at IS NULL AND end_reason IS NULL"),
            RowRule(
                command="UPDATE",
                using="closed_at IS NULL OR end_reason = 'interrupted'",
                check="closed_at IS NOT NULL AND end_reason IS NOT NULL",
            ),
        ),
    ),
    "tasks": Allowance(select=ALL, update=("state", "node", "claimed_at", "finished_at", "result")),
    "outbox": _ONLY_ADDED,
    "exercise_answers": Allowance(insert=True),
    # what technicians ask for over SSH waits for the hospital's answer
    "interventions": Allowance(
        select=ALL,
        insert=True,
        update=("state",),
        rules=(
            RowRule(command="INSERT", check="state = 'requested'"),
            RowRule(command="UPDATE", using="state = 'requested'", check="state = 'cancelled'"),
        ),
    ),
    "windows": Allowance(
        select=ALL,
        insert=True,
        update=("state", "version"),
        rules=(
            RowRule(command="INSERT", check="state = 'planned' AND approved_by IS NULL"),
            RowRule(command="UPDATE", using="state = 'planned'", check="state = 'cancelled'"),
        ),
    ),
    **{table: _named(table) for table in ("window_people", "window_devices", "window_groups", "occurrences")},
    "extensions": Allowance(
        select=ALL,
        insert=True,
        rules=(RowRule(command="INSERT", check="decided_by IS NULL AND approved IS NULL"),),
    ),
    "reports": Allowance(
        select=ALL,
        insert=True,
        update=("state", "goal", "what", "facts", "filed_at"),
        rules=(
            RowRule(command="INSERT", check=_REPORT),
            RowRule(command="UPDATE", using=_REPORT, check=_REPORT),
        ),
    ),
}

GATEWAY_TRACES: Final[Mapping[str, Allowance]] = {
    TRACE_VERSION: READ,
    TRACE_HISTORY: READ,
    "sessions_opened": Allowance(insert=True),
    "sessions_closed": Allowance(insert=True),
    # a technician may read when each of her keys last let her in; nothing else of the journal
    "journal_entries": Allowance(
        select=ALL,
        insert=True,
        rules=(
            RowRule(command="INSERT", check="true"),
            RowRule(command="SELECT", using="name = 'authentication.succeeded'"),
        ),
    ),
}


def _console(metadata: MetaData, migrations: Migrations, usual: Allowance) -> Mapping[str, Allowance]:
    named = {table.name: usual for table in metadata.sorted_tables}
    return {migrations.version_table: READ, migrations.history: READ, **dict(sorted(named.items()))}


CONSOLE_POLICY: Final = {
    **_console(policy_metadata, POLICY_MIGRATIONS, _EVERYTHING),
    # pruned once the journal holds it; never changed
    "outbox": Allowance(select=ALL, insert=True, delete=True),
}
_A_YEAR_AGO: Final = "((extract(epoch from clock_timestamp()) - 365 * 86400) * 1000000)::bigint"
"""By the server's own clock, in the unit of our instants: microseconds since 1970."""
CONSOLE_TRACES: Final = {
    **_console(trace_metadata, TRACE_MIGRATIONS, _ONLY_ADDED),
    # what is past its twelve months goes by rule, with a signed record; the server itself refuses what is younger
    "journal_entries": Allowance(
        select=ALL,
        insert=True,
        delete=True,
        rules=(RowRule(command="DELETE", using=f"at < {_A_YEAR_AGO}"),),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One of the two databases, and what the two roles may do there."""

    name: str
    metadata: MetaData
    gateway: Mapping[str, Allowance]
    console: Mapping[str, Allowance]


POLICY: Final = Store(name="policy", metadata=policy_metadata, gateway=GATEWAY_POLICY, console=CONSOLE_POLICY)
TRACES: Final = Store(name="traces", metadata=trace_metadata, gateway=GATEWAY_TRACES, console=CONSOLE_TRACES)
STORES: Final = (POLICY, TRACES)


def ruled(store: Store) -> list[str]:
    """Return the tables of *store* on which row rules hold, sorted."""
    return sorted(table for table, allowance in store.gateway.items() if allowance.rules)


def statements(
    store: Store, gateway: str | None, console: str | None, *, keep: bool = False
) -> Iterator[str]:
    """Give the SQL that makes the two roles' rights on *store* what they should be, whatever they were.

    *keep*: privileges that they have beyond those are left to them. Row rules are this version's all the same: one that
    narrows what an older gateway writes comes a release after the gateway that writes it no more.

    *gateway* and *console* stand in the SQL as they are: quoted names, or psql's variables; None: no such role. Run
    as the owner of the tables, in one transaction.
    """
    for role, allowances in ((gateway, store.gateway), (console, store.console)):
        if role is None:
            continue
        for table in sorted(allowances):
            if not keep:
                yield f"REVOKE ALL ON {table} FROM {role}"
            yield from _granted(table, allowances[table], role)
        for known in store.metadata.sorted_tables:
            for sequence in sequences(known):
                if known.name in allowances and allowances[known.name].insert:
                    yield f"GRANT USAGE ON SEQUENCE {sequence} TO {role}"
        if keep:
            continue
        hidden = sorted({table.name for table in store.metadata.sorted_tables} - allowances.keys())
        yield from (f"REVOKE ALL ON {table} FROM {role}" for table in hidden)
    for table in ruled(store):
        yield from _rules(table, store.gateway[table], gateway)
        yield from _console_rules(table, store.console[table], console)


def _granted(table: str, allowance: Allowance, role: str) -> Iterator[str]:
    privileges = [
        f"{privilege} ({', '.join(columns)})" if columns else privilege
        for privilege, columns in allowance.privileges()
    ]
    yield f"GRANT {', '.join(privileges)} ON {table} TO {role}"


def _console_rules(table: str, allowance: Allowance, console: str | None) -> Iterator[str]:
    """Every row is the console's, but for what a rule of its own says of one command."""
    if console is None:
        return
    yield f"DROP POLICY IF EXISTS ecluse_console ON {table}"
    if not allowance.rules:
        yield f"CREATE POLICY ecluse_console ON {table} TO {console} USING (true) WITH CHECK (true)"
        return
    for command, told in (
        ("SELECT", "USING (true)"),
        ("INSERT", "WITH CHECK (true)"),
        *((rule.command, f"USING ({rule.using})") for rule in allowance.rules),
    ):
        yield f"DROP POLICY IF EXISTS ecluse_console_{command.lower()} ON {table}"
        yield f"CREATE POLICY ecluse_console_{command.lower()} ON {table} FOR {command} TO {console} {told}"


def _rules(table: str, allowance: Allowance, gateway: str | None) -> Iterator[str]:
    yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
    if gateway is None:
        return
    rules = allowance.rules
    if allowance.select and all(rule.command != "SELECT" for rule in rules):
        rules = (RowRule(command="SELECT", using="true"), *rules)
    for rule in rules:
        name = f"ecluse_gateway_{rule.command.lower()}"
        using = f" USING ({rule.using})" if rule.using else ""
        check = f" WITH CHECK ({rule.check})" if rule.check else ""
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
        yield f"CREATE POLICY {name} ON {table} FOR {rule.command} TO {gateway}{using}{check}"


def sequences(table: Table) -> Sequence[str]:
    """Return the names that PostgreSQL gave the running numbers of *table*."""
    counted: Column[int] | None = table.autoincrement_column
    counts = counted is not None and counted.autoincrement is True
    return [f"{table.name}_{counted.name}_seq"] if counted is not None and counts else []


_HEAD: Final = """\
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
-- The roles are made without a password: give them one (\\password ecluse_gateway), or let pg_hba.conf ask for a
-- certificate. Making roles needs CREATEROLE; where the owner has none, have them made beforehand.

\\set ON_ERROR_STOP on
\\if :{?gateway} \\else \\set gateway ecluse_gateway \\endif
\\if :{?console} \\else \\set console ecluse_console \\endif
SELECT current_database() AS this_database, current_schema() AS this_schema \\gset
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'gateway') AS no_gateway,
       NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'console') AS no_console \\gset

BEGIN;
\\if :no_gateway
CREATE ROLE :"gateway" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOBYPASSRLS;
\\endif
\\if :no_console
CREATE ROLE :"console" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOBYPASSRLS;
\\endif
REVOKE ALL ON DATABASE :"this_database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"this_database" TO :"gateway", :"console";
REVOKE ALL ON SCHEMA :"this_schema" FROM PUBLIC;
GRANT USAGE ON SCHEMA :"this_schema" TO :"gateway", :"console";
REVOKE ALL ON ALL TABLES IN SCHEMA :"this_schema" FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA :"this_schema" FROM PUBLIC;
"""


def script() -> str:
    """Return ``roles.sql``: a psql script that makes the roles and gives them their rights in either database."""
    parts = [_HEAD]
    for store in STORES:
        known = f"to_regclass('{store.metadata.sorted_tables[0].name}') IS NOT NULL AS here"
        body = "".join(f"{one};\n" for one in statements(store, ':"gateway"', ':"console"'))
        parts.append(f"\n-- {store.name}\nSELECT {known} \\gset\n\\if :here\n{body}\\endif\n")
    return "".join(parts) + "COMMIT;\n"
