"""Every source file keeps the rules, and every rule catches what it is there for."""

import ast
from pathlib import PurePosixPath

import pytest

from tests.architecture import source_rules as rules
from tests.architecture.source_rules import FOR_THE_PRODUCT, MAX_LINES, RULES, Rule
from tests.architecture.tree import PACKAGES, python_files, read


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule.__name__))
def test_the_tree_keeps(rule: Rule) -> None:
    """The tree keeps this rule."""
    files = python_files(*PACKAGES) if rule in FOR_THE_PRODUCT else python_files()
    assert len(files) > 50
    assert [broken for path in files for broken in rule(path, read(path))] == []


# Kept apart, so that this file keeps the rule that it plants breaches of.
HASH = "#"
PLANTED = [
    (rules.cancellable, "recorder/audit/journal.py", "import asyncio\nx = asyncio.wait_for(done, 5)"),
    (rules.within_length, "policy/authn/long.py", "x = 1\n" * (MAX_LINES + 1)),
    (rules.named_for_a_noun, "policy/utils/thing.py", ""),
    (rules.named_for_a_noun, "gateway/helpers.py", ""),
    (rules.told_the_time, "policy/domain/windows.py", "import datetime as d\nx = d.datetime.now(d.UTC)"),
    (rules.told_the_time, "policy/engine/decide.py", "from datetime import datetime\nx = datetime.utcnow()"),
    (rules.told_the_time, "policy/engine/rules/a.py", "from datetime import date\nread = date.today"),
    (rules.told_the_time, "recorder/trace/frames.py", "import time\nx = time.time()"),
    (rules.told_the_time, "recorder/trace/frames.py", "from time import time as t\nx = t()"),
    (rules.told_the_time, "recorder/trace/frames.py", "import time\nx = time.monotonic_ns()"),
    (rules.told_the_time, "policy/domain/a.py", "def f(clock):\n    return clock.now()"),
    (rules.pure_imports, "policy/domain/people.py", "import pydantic"),
    (rules.pure_imports, "policy/domain/people.py", "from policy.store.tables import people"),
    (rules.pure_imports, "policy/domain/people.py", "from embedded.sqlite import Connections"),
    (rules.pure_imports, "policy/domain/people.py", "def f():\n    import asyncssh"),
    (
        rules.pure_imports,
        "policy/domain/people.py",
        "import importlib\nx = importlib.import_module('asyncssh')",
    ),
    (rules.pure_imports, "policy/domain/people.py", "from . import ids"),
    (rules.pure_imports, "policy/domain/people.py", "from dateutil.rrule import rrule"),
    (rules.pure_imports, "policy/engine/decide.py", "import asyncio"),
    (rules.pure_imports, "policy/engine/decide.py", "from policy.authn import totp"),
    (rules.pure_imports, "policy/engine/decide.py", "from policy.domains import x"),
    (rules.pure_imports, "recorder/trace/records.py", "from pathlib import Path"),
    (rules.pure_imports, "recorder/trace/records.py", "from recorder.seal import signing"),
    (rules.one_ssh_side, "admin_api/app.py", "import asyncssh"),
    (rules.one_ssh_side, "policy/authn/keys.py", "from asyncssh.public_key import SSHKey"),
    (rules.one_ssh_side, "ecluse/demo/run.py", "def f():\n    from asyncssh import connect"),
    (rules.one_seal, "recorder/trace/manifest.py", "from cryptography.hazmat.primitives import hashes"),
    (rules.one_seal, "recorder/errors.py", "import cryptography"),
    (rules.one_seal, "embedded/sqlite.py", "import cryptography"),
    (rules.one_maker_of_grants, "gateway/target/dial.py", "x = Grant(device='a')"),
    (
        rules.one_maker_of_grants,
        "policy/services/access.py",
        "from policy.domain import access\nx = access.Grant()",
    ),
    (
        rules.one_maker_of_grants,
        "policy/services/access.py",
        "from policy.domain.access import Grant as G\nx = G()",
    ),
    (rules.one_maker_of_grants, "gateway/a.py", "x = Grant.__new__(Grant)"),
    (rules.one_maker_of_grants, "gateway/a.py", "from policy.domain.access import GRANT_SEAL"),
    (rules.one_maker_of_grants, "gateway/a.py", "import policy.domain.access as a\nx = a.GRANT_SEAL"),
    (
        rules.one_maker_of_grants,
        "gateway/a.py",
        "from dataclasses import replace\nx = replace(self.grant, account='r')",
    ),
    (
        rules.one_maker_of_grants,
        "gateway/a.py",
        "import dataclasses\nx = dataclasses.replace(live.grant, account='r')",
    ),
    (
        rules.one_maker_of_grants,
        "gateway/a.py",
        "from policy.domain.access import Grant\nfrom dataclasses import replace\nx = replace(y, account='r')",
    ),
    (
        rules.one_maker_of_grants,
        "gateway/a.py",
        "from policy.domain.access import Grant\nimport copy\nx = copy.copy(y)",
    ),
    (rules.tapped_channels, "gateway/server/front.py", "x = conn.forward_tunneled_session()"),
    (rules.tapped_channels, "gateway/server/front.py", "x = conn.forward_tunneled_connection(c, h, p)"),
    (rules.tapped_channels, "gateway/session/bridge.py", "x = conn.create_process('ls')"),
    (rules.tapped_channels, "gateway/session/bridge.py", "f(process_factory=handle)"),
    (rules.tapped_channels, "gateway/session/bridge.py", "from asyncssh import SSHServerProcess"),
    (rules.tapped_channels, "gateway/session/bridge.py", "from asyncssh import SSHServerProcess as P"),
    (rules.tapped_channels, "gateway/target/dial.py", "connect(known_hosts=None)"),
    (rules.tapped_channels, "gateway/target/dial.py", "connect(known_hosts=())"),
    (rules.tapped_channels, "gateway/target/dial.py", "connect(known_hosts=[])"),
    (rules.tapped_channels, "gateway/target/dial.py", "connect(known_hosts=b'')"),
    (rules.tapped_channels, "gateway/server/listener.py", "options(agent_forwarding=True)"),
    (rules.tapped_channels, "gateway/server/listener.py", "options(x11_forwarding=wanted)"),
    (
        rules.tapped_channels,
        "gateway/server/front.py",
        "def connection_requested(self, h, p):\n    return True",
    ),
    (
        rules.tapped_channels,
        "gateway/server/front.py",
        "async def tun_requested(self, u):\n    if u:\n        return True",
    ),
    (rules.reasons_given, "policy/authn/a.py", f"x = f()  {HASH} noqa: S105"),
    (rules.reasons_given, "policy/authn/a.py", f"x = f()  {HASH} noqa"),
    (rules.reasons_given, "policy/authn/a.py", f"x = f()  {HASH} type: ignore[misc]"),
    (rules.reasons_given, "policy/authn/a.py", f"x = f()  {HASH} TODO later"),
]


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_planted_faults_are_caught(rule: Rule, path: str, text: str) -> None:
    """The rule sees a planted fault, in code that parses."""
    ast.parse(text)
    assert rule(PurePosixPath(path), text) != []


def test_every_rule_has_a_planted_fault() -> None:
    """No rule goes unproven."""
    assert {rule for rule, _, _ in PLANTED} == set(RULES)


SOUND = [
    (rules.within_length, "policy/authn/long.py", "x = 1\n" * MAX_LINES),
    (rules.told_the_time, "policy/services/windows.py", "x = clock.now()"),
    (rules.told_the_time, "policy/domain/windows.py", "x = at.time()\ny = timedelta(1)"),
    (rules.pure_imports, "policy/domain/calendar.py", "from dateutil.rrule import rrulestr"),
    (
        rules.pure_imports,
        "policy/engine/decide.py",
        "from policy.domain.access import Grant\nimport datetime",
    ),
    (rules.one_maker_of_grants, "policy/engine/decide.py", "x = Grant(seal=GRANT_SEAL)"),
    (
        rules.one_maker_of_grants,
        "gateway/a.py",
        "from policy.domain.access import Grant\nx = text.replace('a', 'b')",
    ),
    (
        rules.one_maker_of_grants,
        "policy/services/a.py",
        "from dataclasses import replace\nx = replace(device, name='b')",
    ),
    (rules.tapped_channels, "gateway/target/dial.py", "connect(known_hosts=pinned, agent_forwarding=False)"),
    (
        rules.reasons_given,
        "policy/authn/a.py",
        f"x = f()  {HASH} noqa: S105 - the name of a method, not a secret",
    ),
]


@pytest.mark.parametrize(("rule", "path", "text"), SOUND)
def test_sound_code_passes(rule: Rule, path: str, text: str) -> None:
    """The rule leaves sound code alone."""
    assert rule(PurePosixPath(path), text) == []
