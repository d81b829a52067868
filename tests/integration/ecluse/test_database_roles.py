"""The two PostgreSQL roles on a real server: what the gateway's may do, and everything it may not."""
# ruff: noqa: S608 - the statements are the attacks

import asyncio
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from ecluse import database_roles, grants
from ecluse.backup.databases import VERSION_TABLES
from policy.clock import ManualClock
from policy.services.access import AccessService
from policy.settings import PolicySettings
from policy.store.database import Database
from recorder.audit.events import SecurityEvent
from recorder.audit.journal import Journal, JournalFilters
from recorder.store import database as trace_database
from tests.support import postgres
from tests.support.installed import change, doctor
from tests.support.policy_databases import NOON
from tests.support.policy_world import World, make_world
from tests.support.traces import HOSPITAL, header

pytestmark = pytest.mark.postgres

SCRIPT = Path(__file__).parents[3] / "deploy/postgres/roles.sql"
GATEWAY = "ecluse_gateway"
REFUSED = "42501"


@dataclass(frozen=True)
class Stores:
    """Both stores in one database, with their roles."""

    owner: str
    world: World

    def url(self, user: str) -> str:
        """Return the database's address for *user*."""
        return self.owner.replace("postgres@", f"{user}@")


def psql(url: str, script: Path) -> None:
    """Run *script* as a database administrator would."""
    done = subprocess.run(
        ["psql", "-X", "-q", "-d", url, "-f", str(script)], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    """The fixture hospital and an empty journal, after the script has run twice."""
    server = postgres.shared()
    url = server.url(server.create())
    world = await make_world(url, ManualClock(NOON))
    await trace_database.migrate(url)
    for _ in range(2):
        psql(url, SCRIPT)
    yield Stores(url, world)
    await world.close()


def test_the_script_is_what_the_command_prints() -> None:
    """``deploy/postgres/roles.sql`` is the output of ``ecluse db roles``: change the grants, then write it anew."""
    assert SCRIPT.read_text() == grants.script()


def test_every_table_named_in_the_grants_exists() -> None:
    """No grant names a table that is gone, and every column that a grant names is there."""
    for store in grants.STORES:
        tables = {table.name: set(table.columns.keys()) for table in store.metadata.sorted_tables}
        for name, allowance in store.gateway.items():
            if name in VERSION_TABLES:
                continue
            for _, columns in allowance.privileges():
                assert set(columns) <= tables[name]


async def refusal(url: str, statement: str) -> str | None:
    """Run *statement* and return the code with which the server refuses it, None where it does not; undone."""
    async with database_roles.connected(url) as connection:
        try:
            await connection.execute(text(statement))
        except DBAPIError as error:
            return str(getattr(error.orig, "sqlstate", "?"))
        finally:
            await connection.rollback()
    return None


async def test_the_gateway_only_adds_to_catalogue_and_journal(stores: Stores) -> None:
    """It inserts; UPDATE, DELETE, TRUNCATE, and whatever would undo these limits, the server refuses it."""
    await _written(stores.url(GATEWAY))
    attacks = [
        statement
        for table in ("sessions_opened", "sessions_closed", "journal_entries")
        for statement in (
            f"UPDATE {table} SET hospital_id = 'x'",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} OWNER TO {GATEWAY}",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
            f"CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING",
            f"CREATE TRIGGER t BEFORE INSERT ON {table} EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        )
    ]
    attacks += [
        "SELECT * FROM sessions_opened",
        f"GRANT UPDATE ON journal_entries TO {GATEWAY}",
        "SET ROLE postgres",
        "SET ROLE ecluse_console",
        "CREATE TABLE journal_entries2 ()",
    ]
    answers = {attack: await refusal(stores.url(GATEWAY), attack) for attack in attacks}
    granted = {attack: code for attack, code in answers.items() if code != REFUSED}
    # a GRANT of what one may not give is a warning in PostgreSQL, and gives nothing
    assert granted.keys() <= {f"GRANT UPDATE ON journal_entries TO {GATEWAY}"}
    assert await refusal(stores.url(GATEWAY), "UPDATE journal_entries SET digest = ''") == REFUSED


async def _written(url: str) -> None:
    """Write to the catalogue and the journal as the gateway does, and read back what it may."""
    from recorder.store.catalog import Catalog

    database = trace_database.Database(url)
    try:
        await database.check()
        await Catalog(database).opened(header())
        await Catalog(database).opened(header())
        journal = Journal(database, node="gateway-1", now=lambda: NOON)
        for name in ("authentication.succeeded", "session.opened"):
            await journal.append(SecurityEvent(name=name, hospital_id=HOSPITAL, at=NOON, person_id="a" * 32))
        page = await journal.entries(JournalFilters(hospital_id=HOSPITAL))
        assert [entry.event.name for entry in page.entries] == ["authentication.succeeded"]
    finally:
        await database.dispose()


async def test_an_older_gateway_goes_on_under_the_roles_of_a_newer_version(stores: Stores) -> None:
    """Given while it runs they take no right from it, though the newer one needs less; once it has ended, they do."""
    needed = {
        table: allowed for table, allowed in grants.TRACES.gateway.items() if table != "sessions_opened"
    }
    newer = replace(grants.TRACES, gateway=needed)
    for keep in (True, False):
        async with database_roles.connected(stores.owner) as connection:
            await database_roles.give_on(connection, newer, GATEWAY, None, keep=keep)
            await connection.commit()
        if keep:
            await _written(stores.url(GATEWAY))
    assert await refusal(stores.url(GATEWAY), "INSERT INTO sessions_opened DEFAULT VALUES") == REFUSED


async def test_the_console_too_only_adds_to_them(stores: Stores) -> None:
    """Its role reads and inserts; what was recorded it cannot change, and of sessions nothing goes."""
    for table in ("sessions_opened", "sessions_closed", "journal_entries"):
        assert await refusal(stores.url("ecluse_console"), f"SELECT count(*) FROM {table}") is None
        for attack in (f"UPDATE {table} SET hospital_id = 'x'", f"TRUNCATE {table}"):
            assert await refusal(stores.url("ecluse_console"), attack) == REFUSED
        if table != "journal_entries":
            assert await refusal(stores.url("ecluse_console"), f"DELETE FROM {table}") == REFUSED
    assert await refusal(stores.url("ecluse_console"), "UPDATE outbox SET name = 'x'") == REFUSED
    assert await refusal(stores.url("ecluse_console"), "UPDATE windows SET purpose = purpose") is None


async def test_the_console_deletes_of_the_journal_what_is_a_year_old_alone(stores: Stores) -> None:
    """By the server's own clock: entries that are younger stay, whatever is asked; the gateway deletes not even old ones."""
    database = trace_database.Database(stores.url("ecluse_console"))
    now = datetime.now(UTC)
    try:
        journal = Journal(database, node="console", now=lambda: now)
        for days in (400, 366, 364, 1):
            at = now - timedelta(days=days)
            await journal.append(SecurityEvent(name="retention.run", hospital_id="f" * 32, at=at))
    finally:
        await database.dispose()
    assert await refusal(stores.url(GATEWAY), "DELETE FROM journal_entries WHERE at = 0") == REFUSED
    async with database_roles.connected(stores.url("ecluse_console")) as connection:
        gone = await connection.execute(text("DELETE FROM journal_entries WHERE name = 'retention.run'"))
        assert gone.rowcount == 2
        await connection.rollback()


async def test_a_taken_over_gateway_opens_nothing(stores: Stores) -> None:
    """With the gateway's role nobody approves, widens or moves a window, makes people, or reads what is not its own."""
    world = stores.world
    approved, hospital = world.window, world.id
    planned = await world.add_window(approve=False)
    columns = "hospital_id, id, intervention_id, channels, idle_limit, output_counts, purpose, requested_by, version"
    copied = "SELECT hospital_id, 'new', intervention_id, channels, idle_limit, output_counts, purpose, requested_by, 1"
    console = "SELECT 'console', 'node1', 'c', 'h', 1, '1', '1', '1', now(), now(), NULL, 's'"
    later = "SELECT hospital_id, 'new', window_id, start_at, end_at + interval '1 year'"
    attacks = [
        f"UPDATE windows SET state = 'approved' WHERE id = '{planned.id}'",
        f"UPDATE windows SET approved_by = requested_by WHERE id = '{planned.id}'",
        f"INSERT INTO windows ({columns}, state) {copied}, 'approved' FROM windows WHERE id = '{approved.id}'",
        f"INSERT INTO occurrences {later} FROM occurrences WHERE window_id = '{approved.id}'",
        f"INSERT INTO window_people VALUES ('{hospital}', '{approved.id}', '{world.who('bob')}')",
        f"INSERT INTO window_groups VALUES ('{hospital}', '{approved.id}', 'laboratoire')",
        f"INSERT INTO window_devices VALUES ('{hospital}', '{approved.id}', '{world.device.id}')",
        "UPDATE occurrences SET end_at = end_at + interval '1 year'",
        "UPDATE people SET active = true",
        f"INSERT INTO programs {console}",
        "DELETE FROM programs",
        "DELETE FROM attempts",
        "UPDATE attempts SET at = at",
        "UPDATE passwords SET password_hash = ''",
        "UPDATE account_secrets SET sealed = ''",
        "DELETE FROM revocations",
        "UPDATE extensions SET approved = true",
        "UPDATE outbox SET name = 'x'",
        "DELETE FROM outbox",
        "SELECT setval('outbox_position_seq', 1)",
        *(
            f"SELECT * FROM {table}"
            for table in ("tokens", "visits", "invitations", "mails", "recovery_codes")
        ),
    ]
    answers = {attack: await refusal(stores.url(GATEWAY), attack) for attack in attacks}
    assert {attack: code for attack, code in answers.items() if code != REFUSED} == {}
    url = stores.url(GATEWAY)
    assert await refusal(url, "UPDATE token_certificates SET person_id = person_id") == REFUSED
    marked = "UPDATE token_certificates SET revoked_as = 'revoked' WHERE id = 'none'"
    assert await refusal(url, marked) is None
    cancelled = f"UPDATE windows SET state = 'cancelled' WHERE id = '{approved.id}' RETURNING id"
    async with database_roles.connected(stores.url(GATEWAY)) as connection:
        assert (await connection.execute(text(cancelled))).all() == []


async def test_a_taken_over_gateway_rewrites_no_end_of_a_session(stores: Stores) -> None:
    """It ends what is open, and says the true end of what was taken for interrupted: nothing opens again or ends anew."""
    world, url = stores.world, stores.url(GATEWAY)
    grant, access = await world.grant(), world.services.access
    await access.session_opened(grant, "gw2")
    its = f"WHERE id = '{grant.session_id}'"
    assert await refusal(url, f"UPDATE sessions SET node = 'gw1' {its}") == REFUSED
    assert await refusal(url, f"UPDATE sessions SET hard_end = hard_end + interval '1 day' {its}") == REFUSED
    assert await refusal(url, f"UPDATE sessions SET end_reason = 'left' {its}") == REFUSED
    assert await refusal(url, f"DELETE FROM sessions {its}") == REFUSED
    await access.node_started(world.id, "gw2")
    assert await refusal(url, f"UPDATE sessions SET closed_at = NULL, end_reason = NULL {its}") == REFUSED
    await access.session_closed(world.id, grant.session_id, "cut")
    async with database_roles.connected(url) as connection:
        rewritten = text(f"UPDATE sessions SET end_reason = 'left', closed_at = now() {its} RETURNING id")
        assert (await connection.execute(rewritten)).all() == []
    assert (await access.session(world.id, grant.session_id)).end_reason == "cut"


async def test_the_gateway_s_role_ends_and_corrects_what_it_must(stores: Stores) -> None:
    """Under its row rules it opens, ends and corrects, and ends what another gateway left behind."""
    clock = ManualClock(NOON)
    gateway = await Database.open(stores.url(GATEWAY))
    access = AccessService(gateway, clock, PolicySettings(database_url="", keyring_directory=Path()))
    try:
        left, ended = await stores.world.grant(), await stores.world.grant()
        for grant in (left, ended):
            await access.session_opened(grant, "gw1")
        await access.session_closed(stores.world.id, ended.session_id, "left", told=False)
        clock.advance(left.obligations.hard_end - clock.now() + timedelta(hours=1, seconds=1))
        assert [one.session_id for one in await access.left_behind(stores.world.id)] == [left.session_id]
        await access.session_closed(stores.world.id, left.session_id, "policy")
        assert (await access.session(stores.world.id, left.session_id)).end_reason == "policy"
    finally:
        await gateway.close()


async def test_what_the_role_can_do_is_compared_with_what_it_must(stores: Stores) -> None:
    """Nothing more, nothing less; each right too many or missing, and each attribute of the role, is named."""

    async def compared() -> tuple[list[str], list[str]]:
        async with database_roles.connected(stores.owner) as connection:
            found = await database_roles.compare(connection, GATEWAY)
        assert found.known
        return [str(right) for right in found.more], [str(right) for right in found.less]

    async def do(*statements: str) -> None:
        async with database_roles.connected(stores.owner) as connection:
            for statement in statements:
                await connection.execute(text(statement))
            await connection.commit()

    assert await compared() == ([], [])
    await do(
        f"GRANT UPDATE, DELETE ON journal_entries TO {GATEWAY}",
        f"GRANT SELECT (token_hash) ON tokens TO {GATEWAY}",
        "GRANT TRUNCATE ON sessions_closed TO PUBLIC",
        f"REVOKE INSERT ON sessions_opened FROM {GATEWAY}",
        "ALTER TABLE windows DISABLE ROW LEVEL SECURITY",
        f"GRANT CREATE ON SCHEMA public TO {GATEWAY}",
    )
    more, less = await compared()
    assert more == [
        "CREATE IN SCHEMA",
        "DELETE ON journal_entries",
        "UPDATE ON journal_entries",
        "TRUNCATE ON sessions_closed",
        "SELECT (token_hash) ON tokens",
        "EVERY ROW ON windows",
    ]
    assert less == ["INSERT ON sessions_opened"]
    await do(
        f"REVOKE CREATE ON SCHEMA public FROM {GATEWAY}",
        f"REVOKE SELECT (token_hash) ON tokens FROM {GATEWAY}",
    )
    psql(stores.owner, SCRIPT)
    assert await compared() == ([], [])
    async with database_roles.connected(stores.owner) as connection:
        assert not (await database_roles.compare(connection, "nobody_here")).known
        owner = await database_roles.compare(connection, "postgres")
    assert {"SUPERUSER", "BYPASSRLS", "OWNER OF TABLES"} <= {str(right) for right in owner.more}


def test_the_doctor_tells_of_the_gateway_s_user(config: Path) -> None:
    """One user for all is a notice; a role that can do more than it must is a failure that names what."""
    server = postgres.shared()
    url = server.url(server.create())
    asyncio.run(_made(url))
    for section in ("policy_database", "trace_database"):
        change(config, section, f'url = "{url}"')
    found = doctor(config)
    assert (
        "could change and delete"
        in found["doctor.database_roles.one users of the policy database"]["sentence"]
    )
    psql(url, SCRIPT)
    for section in ("policy_database", "trace_database"):
        change(config, section, f'gateway_user = "{GATEWAY}"')
    found = doctor(config)
    assert found["doctor.database_roles.good users of the traces database"]["level"] == "good"
    asyncio.run(_do(url, f"GRANT DELETE ON journal_entries TO {GATEWAY}"))
    found = doctor(config)
    told = found["doctor.database_roles.more users of the traces database"]
    assert told["level"] == "failed"
    assert "DELETE ON journal_entries" in told["sentence"]
    change(config, "policy_database", 'gateway_user = "absent_role"')
    assert "doctor.database_roles.unknown users of the policy database" in doctor(config)


async def _made(url: str) -> None:
    world = await make_world(url, ManualClock(NOON))
    await world.close()
    await trace_database.migrate(url)


async def _do(url: str, statement: str) -> None:
    async with database_roles.connected(url) as connection:
        await connection.execute(text(statement))
        await connection.commit()
