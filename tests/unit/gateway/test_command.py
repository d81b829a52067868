"""Which remote commands are known to move files and do nothing else."""

import pytest

from gateway.session.transfer.command import Allowed, Refused, classify, classify_subsystem
from policy.domain.windows import Channel

UP = frozenset({Channel.SFTP_UP})
DOWN = frozenset({Channel.SFTP_DOWN})
FILES = UP | DOWN
EXEC = frozenset({Channel.EXEC})


def kind(command: str, channels: frozenset[Channel] = FILES) -> str:
    """Give the kind of an allowed command, or the key of the refusal."""
    answer = classify(command.encode(), channels)
    return answer.kind if isinstance(answer, Allowed) else answer.key


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("scp -t /tmp/x", "scp-up"),
        ("scp -r -t .", "scp-up"),
        ("scp -v -r -p -t dir/", "scp-up"),
        ("scp -d -t /t", "scp-up"),
        ("scp -t -- -x", "scp-up"),
        ("scp -f /tmp/f", "scp-down"),
        ("scp -r -p -f f", "scp-down"),
        ("rsync --server -vlogDtpre.iLsfxCIvu . /tmp/x", "rsync-up"),
        ("rsync --server -vlogDtprze.iLsfxCIvu --delete . /tmp/d/", "rsync-up"),
        ("rsync --server -vtrze.iLsfxCIvu --bwlimit=100 . .", "rsync-up"),
        ("rsync --server -lHogDtpAXrcxe.iLsfxCIvu --numeric-ids . /x", "rsync-up"),
        ("rsync --server -vlogDtpre.iLsfxCIvu --log-format=%i . x", "rsync-up"),
        ("rsync --server --sender -logDtpre.iLsfxCIvu . /tmp/x", "rsync-down"),
        (
            "rsync --server --sender -logDtpre.iLsfxCIvu --compress-level=3 --append --append . a",
            "rsync-down",
        ),
        ("rsync --server --sender -logDtpre.iLsfxCIvu . a b", "rsync-down"),
        ("/usr/lib/openssh/sftp-server", "sftp"),
        ("internal-sftp", "sftp"),
    ],
)
def test_what_stock_clients_send_passes(command: str, expected: str) -> None:
    """The commands that OpenSSH's scp, rsync 3 and sftp -s send are known, with their direction."""
    assert kind(command) == expected


@pytest.mark.parametrize(
    "command",
    [
        "scp ; sh",
        "scp",
        "scp -t",
        "scp -f a b",
        "scp -t -f /x",
        "scp -S /bin/sh -t /x",
        "scp -t -S sh",
        "scp -o ProxyCommand=sh -t /x",
        "scp -oProxyCommand=sh -t /x",
        "scp /etc/shadow evil:/",
        "scp -3 -t /x",
        "scpx -t /x",
        "/bin/scp -t /x",
        "sudo scp -t /x",
        "env scp -t /x",
        "scp -t /x; sh",
        "scp -t /x;sh",
        "scp -t /x & sh",
        "scp -t /x | sh",
        "scp -t /x\nsh",
        "scp -t /x\rsh",
        "scp -t $(id)",
        "scp -t `id`",
        "scp -t ${IFS}x",
        "scp -t <(id)",
        "scp -t /x > /etc/passwd",
        "scp -t *",
        "scp -t ?",
        "scp -t [a-z]",
        "scp -t {a,b}",
        "scp -t ~root/.ssh",
        "scp -t !id",
        "scp -t #x",
        "scp -t 'a b'",
        'scp -t "a"',
        "scp -t a\\ b",
        "scp -t a^b",
        "scp -t =ls",
        "scp -t %self",
        "scp -t @x",
        "scp -t a\tb",
        "scp  -t a",
        " scp -t a",
        "scp -t a ",
        "scp -t a\u00a0b",
        "scp -t a\u2028b",
        "scp -t é",
        "scp -t a\0b",
        "FOO=1 scp -t a",
    ],
)
def test_one_shell_surprise_refuses_scp(command: str) -> None:
    """Metacharacters, other programs behind the name, and options that run something are refused."""
    assert kind(command).startswith("refused.exec")
    assert kind(command, EXEC) in {"exec", "scp-up", "scp-down"}


@pytest.mark.parametrize(
    "command",
    [
        "rsync",
        "rsync --daemon",
        "rsync --server --daemon .",
        "rsync --server --daemon -re.i . x",
        "rsync --server --config=/tmp/x -r . x",
        "rsync --server -e sh . x",
        "rsync --server -e.i;sh . x",
        "rsync --server -rsync . x",
        "rsync --server -slogDtpre.iLsfxCIvu",
        "rsync --server -slogDtpre.iLsfxCIvu . x",
        "rsync --server --protect-args -r . x",
        "rsync --server --secluded-args -r . x",
        "rsync --server -r --log-file=/etc/cron.d/x . x",
        "rsync --server -r --rsync-path=/bin/sh . x",
        "rsync --server -r --rsh=sh . x",
        "rsync --server -r --temp-dir /t . x",
        "rsync --server -r --temp-dir=/t . x",
        "rsync --server -r -T/t . x",
        "rsync --server -r --backup-dir=/etc . x",
        "rsync --server -r --partial-dir=/etc . x",
        "rsync --server -r --write-devices . x",
        "rsync --server -r --copy-as=root . x",
        "rsync --server -r --remote-option=--sender . x",
        "rsync --server -M--sender . x",
        "rsync --server -r . x --sender",
        "rsync --server -r . --sender",
        "rsync --server -r --sender . x",
        "rsync --server -r . a b",
        "rsync --server -r .",
        "rsync --server -r x",
        "rsync --server --sender",
        "rsync --server --sender - . x",
        "rsync --sender --server -r . x",
        "rsync -av a b",
        "rsync -av -e sh a b:c",
        "rsync --server --sender -r --files-from=/etc/list . x",
        "rsync --server -r . x;sh",
        "/tmp/rsync --server -r . x",
    ],
)
def test_rsync_may_only_copy(command: str) -> None:
    """Options that execute, write elsewhere, or let the direction be turned round later are refused."""
    assert kind(command).startswith("refused.exec")


def test_direction_comes_from_the_arguments() -> None:
    """A grant for one direction refuses the other, in every command, with its own reason."""
    assert kind("scp -t /x", DOWN) == "refused.sftp-up"
    assert kind("scp -f /x", UP) == "refused.sftp-down"
    assert kind("rsync --server -re.i . x", DOWN) == "refused.sftp-up"
    assert kind("rsync --server --sender -re.i . x", UP) == "refused.sftp-down"
    assert kind("scp -t /x", UP) == "scp-up"
    assert kind("scp -f /x", DOWN) == "scp-down"


def test_a_sender_that_deletes_needs_both_directions() -> None:
    """Fetching with --remove-source-files also deletes on the device."""
    command = "rsync --server --sender -logDtpre.iLsfxCIvu --remove-source-files . a"
    assert kind(command, DOWN) == "refused.sftp-up"
    assert kind(command, FILES) == "rsync-down"


def test_sftp_servers_are_held_to_the_directions_granted() -> None:
    """An sftp server as a command passes with the grant's directions, and with both under the right to exec."""
    for granted in (UP, DOWN, FILES):
        answer = classify(b"/usr/lib/openssh/sftp-server", granted)
        assert isinstance(answer, Allowed)
        assert answer.directions == granted
    free = classify(b"internal-sftp", EXEC)
    assert isinstance(free, Allowed)
    assert free.directions == FILES
    assert kind("/usr/lib/openssh/sftp-server -e") == "refused.exec"
    assert kind("/tmp/sftp-server") == "refused.exec"


def test_the_right_to_exec_lets_everything_through_but_nothing_at_all() -> None:
    """Any command passes under it; an empty one, which would open a shell, never does."""
    assert kind("cat /etc/hosts; id", EXEC) == "exec"
    assert classify(b"\xff\xfe\0", EXEC) == Allowed(kind="exec")
    assert kind("", EXEC) == "refused.exec-empty"
    assert kind("", FILES) == "refused.exec-empty"


def test_without_any_right_nothing_passes() -> None:
    """A grant for a shell alone, or for nothing, runs no command and no subsystem."""
    for channels in (frozenset[Channel](), frozenset({Channel.SHELL})):
        assert kind("scp -t /x", channels) == "refused.exec"
        assert classify_subsystem("sftp", channels) == Refused(key="refused.sftp")


@pytest.mark.parametrize("name", ["", "SFTP", "sftp ", "sftp\0", "netconf", "shell", "publickey@vandyke.com"])
def test_no_subsystem_but_sftp(name: str) -> None:
    """Every other subsystem is refused, whatever the grant."""
    assert classify_subsystem(name, frozenset(Channel)) == Refused(key="refused.subsystem")


def test_a_name_with_spaces_gets_advice() -> None:
    """A path that only a shell's quoting could carry is refused with a word on what to use instead."""
    assert kind("scp -t 'my file'") == "refused.exec-characters"
    assert kind("rsync --server -re.i . my\\ file") == "refused.exec-characters"


def test_a_command_of_any_length_is_judged() -> None:
    """A huge command is refused quickly, not read at length."""
    assert kind("scp -t " + "a" * 100_000) == "refused.exec"
    assert kind("scp -t " + "a" * 8000) == "scp-up"
