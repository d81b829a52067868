"""No secret reaches a log line, however it is put there."""

import io
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from ecluse import logs
from ecluse.redaction import MAX_TEXT, REDACTED, is_telltale, redact, redact_text
from policy.vault.secret import Secret

HIDDEN = "hunter2-Zx9"
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC{HIDDEN}\n-----END OPENSSH PRIVATE KEY-----"


class Log:
    """What the process has logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        """Everything, as written."""
        return self.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Each line, read as JSON."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def log() -> Log:
    """Configure the logs as the product does, at their most talkative."""
    written = Log()
    logs.configure("debug", written.stream)
    return written


@dataclass
class Login:
    """A value that shows what it holds."""

    name: str
    password: str


class Hostile:
    """A value that cannot be shown."""

    @override
    def __repr__(self) -> str:
        raise RuntimeError(HIDDEN)


@pytest.mark.parametrize(
    "value",
    [
        {"password": HIDDEN},
        {"Password": HIDDEN},
        {"device_password": HIDDEN},
        {"newPassword": HIDDEN},
        {"totp": HIDDEN},
        {"totp_secret": HIDDEN},
        {"code": HIDDEN},
        {"one-time-code": HIDDEN},
        {"answers": [HIDDEN, "123456"]},
        {"X-Auth-Token": HIDDEN},
        {"authorization": f"Bearer {HIDDEN}"},
        {b"authorization": HIDDEN.encode()},
        {"privateKey": HIDDEN},
        {"master_key": HIDDEN.encode()},
        {"cookie": {"session": HIDDEN}},
        {"tokens": (HIDDEN,)},
        {"a": [{"b": ({"secret": HIDDEN},)}]},
        [("authorization", HIDDEN), (b"cookie", HIDDEN.encode())],
        Secret(HIDDEN),
        {"value": [Secret(HIDDEN)]},
        Login("alice", HIDDEN),
        {"login": {"who": Login("alice", HIDDEN)}},
        ValueError(f"bad header Authorization: Bearer {HIDDEN}"),
        KeyError({"password": HIDDEN}),
        f"Bearer {HIDDEN}",
        f"bearer\t{HIDDEN}".encode(),
        f"Basic {HIDDEN}",
        f"GET /v1/x?token={HIDDEN}&page=2",
        f"GET /v1/x?page=2&totp_code={HIDDEN}",
        f"postgresql+asyncpg://ecluse:{HIDDEN}@db/ecluse",
        f"postgresql://ecluse:p@ss{HIDDEN}@db/ecluse",
        f"otpauth://totp/Ecluse:alice?secret={HIDDEN}&issuer=Ecluse",
        f"otpauth%3A%2F%2Ftotp%2Fx%3Fsecret%3D{HIDDEN}",
        PEM,
        PEM.encode(),
        repr(PEM),
        PEM[:60],
        f"PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\n{HIDDEN}",
        f"password={HIDDEN}",
        f"password: {HIDDEN}",
        f"Mot de passe : {HIDDEN}",
        f'{{"password": "with spaces {HIDDEN}"}}',
        f'{{"password": "with \\" quote {HIDDEN}"}}',
        f"{{'secret': b'with spaces {HIDDEN}'}}",
        json.dumps(json.dumps({"totp_secret": f"a b {HIDDEN}"})),
        f'password="cut off {HIDDEN}',
        f"code = {HIDDEN}",
        {f"password={HIDDEN}": 1},
    ],
    ids=repr,
)
def test_secrets_are_taken_out(log: Log, value: object) -> None:
    """By key, by type, in text, in bytes, in an error, however deep: the secret is not in the line."""
    structlog.get_logger().info("event", value=value)
    if isinstance(value, dict):
        structlog.get_logger().info("event", **{str(key): entry for key, entry in value.items()})
    if isinstance(value, (str, bytes)):
        structlog.get_logger().info(f"said {value!r}")
        structlog.get_logger().info(f"said {value if isinstance(value, str) else value.decode()}")
    logging.getLogger("library").warning("said %s", value)
    logging.getLogger("library").warning("said", extra={"value": value})
    assert len(log.lines) >= 3
    assert HIDDEN not in log.text


def test_exceptions_are_cleaned(log: Log) -> None:
    """The text of an exception, of its cause and of its notes is cleaned; its kind stays."""
    failure = ValueError(f"refused: password={HIDDEN}")
    failure.add_note(f"sent Bearer {HIDDEN}")
    for logger in (structlog.get_logger(), logging.getLogger("library")):
        try:
            try:
                raise failure
            except ValueError as error:
                raise RuntimeError(PEM) from error
        except RuntimeError:
            logger.exception("went wrong")
    assert HIDDEN not in log.text
    assert [line["level"] for line in log.lines] == ["error", "error"]
    for line in log.lines:
        assert "ValueError: refused: password=[redacted]" in line["exception"]
        assert "RuntimeError: [redacted]" in line["exception"]


def test_local_variables_are_not_shown(log: Log) -> None:
    """A traceback names functions, never what they were given."""

    def check(given: str) -> None:
        raise ValueError(len(given))

    try:
        check(HIDDEN)
    except ValueError:
        structlog.get_logger().exception("went wrong")
    assert "in check" in log.lines[0]["exception"]
    assert HIDDEN not in log.text


def test_bound_ids_are_on_each_line(log: Log) -> None:
    """Ids bound for a session are on its lines, the libraries' too, and not on others'."""
    with structlog.contextvars.bound_contextvars(
        hospital_id="h1", session_id="s1", person_id="p1", device_id="d1"
    ):
        structlog.get_logger().info("opened")
        logging.getLogger("asyncssh").warning("odd packet")
    structlog.get_logger().info("elsewhere")
    ids = ("hospital_id", "session_id", "person_id", "device_id")
    assert [[line.get(name) for name in ids] for line in log.lines] == [
        ["h1", "s1", "p1", "d1"],
        ["h1", "s1", "p1", "d1"],
        [None] * 4,
    ]


def test_bound_secrets_are_taken_out(log: Log) -> None:
    """A secret bound to the context is no more shown than one given."""
    with structlog.contextvars.bound_contextvars(token=HIDDEN):
        structlog.get_logger().bind(password=HIDDEN).info("opened")
    assert log.lines[0]["token"] == log.lines[0]["password"] == REDACTED


def test_libraries_keep_quiet(log: Log) -> None:
    """At our most talkative asyncssh still says only warnings, for its chatter holds packets."""
    for name in logs.QUIET:
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).debug("chatter")
        logging.getLogger(name).warning("warning")
    assert [line["event"] for line in log.lines] == ["warning"] * len(logs.QUIET)


def test_level_holds() -> None:
    """What lies under the level asked for is not written."""
    written = Log()
    logs.configure("error", written.stream)
    structlog.get_logger().warning("no")
    logging.getLogger("asyncssh").warning("no")
    structlog.get_logger().error("yes")
    assert [line["event"] for line in written.lines] == ["yes"]


def test_unknown_level() -> None:
    """An unknown level is refused with the ones there are."""
    with pytest.raises(ValueError, match="'loud' is not one of debug, info, warning, error"):
        logs.configure("loud")


def test_one_line_of_plain_ascii(log: Log) -> None:
    """Neither line breaks nor control characters of what is logged reach the reader's terminal."""
    structlog.get_logger().info("bad\nname \x1b[2J\x9b\u202e", name="caf\xe9\r\n\udcff")
    assert len(log.text.splitlines()) == 1
    assert all(" " <= character <= "~" for character in log.text.rstrip("\n"))
    assert log.lines[0]["name"] == "caf\xe9\r\n\udcff"


def test_what_cannot_be_shown(log: Log) -> None:
    """A value whose repr raises, or that contains itself, costs neither the line nor a secret."""
    ring: dict[str, Any] = {"name": "ring"}
    ring["self"] = ring
    structlog.get_logger().info("odd", hostile=Hostile(), ring=ring)
    assert log.lines[0]["hostile"] == "<Hostile that cannot show itself>"
    assert HIDDEN not in log.text


@pytest.mark.parametrize(
    "text",
    [
        "window.opened",
        "the device refused the account's password",
        "exit code: 3",
        "status code: 404",
        "rule O3: outside the window [08:00, 09:00)",
        "https://127.0.0.1:8443/v1/people",
        "policy.vault.secret::Secret",
    ],
)
def test_plain_words_stay(text: str) -> None:
    """What is no secret is left alone."""
    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("key", "telltale"),
    [
        ("token_id", False),
        ("secret_version", False),
        ("exit_code", False),
        ("rule", False),
        ("person_id", False),
        ("hotplug", False),
        ("token_id_secret", True),
        ("PASSWORD", True),
        ("user.passphrase", True),
    ],
)
def test_keys(key: str, telltale: bool) -> None:
    """Keys that say which secret stay; keys that hold one do not."""
    assert is_telltale(key) is telltale


def test_absent_secrets_show_as_absent() -> None:
    """That there is none is no secret."""
    assert redact({"password": None, "has_token": True}) == {"password": None, "has_token": True}


@pytest.mark.parametrize(
    "unit", ["a", "a.", "password", "password=", "://a:", "-----BEGIN ", "\\", '"', "Bearer "]
)
def test_long_texts(unit: str) -> None:
    """A long line costs a linear time, whatever it repeats, and is cut."""
    assert len(redact_text(unit * (400_000 // len(unit)))) < MAX_TEXT + 100


NESTED = st.recursive(
    st.builds(lambda: {"password": HIDDEN})
    | st.builds(lambda: Secret(HIDDEN))
    | st.builds(lambda: f"token={HIDDEN}")
    | st.integers()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(NESTED)
def test_any_nesting(value: object) -> None:
    """However values are nested, the result is JSON and holds no secret."""
    assert HIDDEN not in json.dumps(redact({"value": value}))


@pytest.mark.parametrize(
    ("at_journal", "begins"), [(True, ["<6>{", "<4>{", "<3>{"]), (False, ["{", "{", "{"])]
)
def test_the_system_s_journal_is_told_priorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_journal: bool, begins: list[str]
) -> None:
    """Standard error that systemd connected to the journal gets each line's priority; elsewhere a line is JSON alone."""
    path = tmp_path / "stream"
    with path.open("w", encoding="utf-8") as stream:
        told = os.fstat(stream.fileno())
        inode = told.st_ino if at_journal else told.st_ino + 1
        monkeypatch.setenv("JOURNAL_STREAM", f"{told.st_dev}:{inode}")
        logs.configure("info", stream)
        structlog.get_logger().info("ours")
        logging.getLogger("asyncssh").warning("theirs")
        structlog.get_logger().exception("failed")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line[: len(begin)] for line, begin in zip(lines, begins, strict=True)] == begins


def test_a_warning_in_the_same_words_is_not_repeated_for_a_minute(log: Log) -> None:
    """What a task says at each try while a database is away comes once a minute, counted; what is said worse, each time."""
    now = 0.0
    processors = structlog.get_config()["processors"]
    place = next(i for i, one in enumerate(processors) if isinstance(one, logs.Repetitions))
    processors[place] = logs.Repetitions(lambda: now)
    structlog.configure(processors=processors)
    told = structlog.get_logger()
    for second in range(0, 121, 2):
        now = float(second)
        told.warning("policy.away", error="refused")
    told.warning("policy.away", error="something else")
    told.error("policy.away", error="refused")
    told.error("policy.away", error="refused")
    said = [(line["level"], line["error"], line.get("repeated")) for line in log.lines]
    assert said == [
        ("warning", "refused", None),
        ("warning", "refused", 29),
        ("warning", "refused", 29),
        ("warning", "something else", None),
        ("error", "refused", None),
        ("error", "refused", None),
    ]
