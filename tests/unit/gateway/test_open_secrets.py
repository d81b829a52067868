"""Commands that take a secret where a trace keeps it."""

import pytest

from gateway.session.open_secrets import places


@pytest.mark.parametrize(
    "command",
    [
        b"sudo -S systemctl restart dicom",
        b"sudo -kS id",
        b"sudo -u root --stdin id",
        b"cd /tmp && /usr/bin/sudo -p '' -S id",
        b"chpasswd",
        b"passwd maint --stdin",
        b"docker login --username x --password-stdin",
        b"openssl enc -aes-256-cbc -pass stdin",
        b"gpg --batch --passphrase-fd 0 -d x",
    ],
)
def test_input_that_is_a_secret(command: bytes) -> None:
    """Programs that read a password from an input without a terminal are known; on a terminal it is never kept."""
    assert places(command, terminal=False) == ("input",)
    assert places(command, terminal=True) == ()


@pytest.mark.parametrize(
    "command",
    [
        b"sshpass -p hunter2 ssh x",
        b"mysql -u root -phunter2 pacs",
        b"mysqldump -phunter2 pacs",
        b"tool --password=hunter2",
        b"tool --token hunter2",
        b"PGPASSWORD=hunter2 psql -h db",
        b"curl -u maint:hunter2 https://x",
        b"curl https://maint:hunter2@pacs.example/",
        b"openssl rsa -passin pass:hunter2 -in k",
        b"ECHO_SECRET='x' run",
    ],
)
def test_a_line_that_holds_a_secret(command: bytes) -> None:
    """Passwords given as an argument, a variable or in an address are told, with a terminal or without."""
    assert places(command, terminal=True) == ("command",)
    assert "command" in places(command, terminal=False)


def test_a_secret_piped_within_the_line_is_on_the_line() -> None:
    """``echo … | sudo -S`` shows its secret on the line itself."""
    assert places(b"echo hunter2 | sudo -S id", terminal=True) == ("command",)


@pytest.mark.parametrize(
    "command",
    [
        b"",
        b"ls -la /etc/passwd",
        b"sudo id",
        b"sudo systemctl status sshd -S",
        b"mysql -p pacs",
        b"psql -W",
        b"cat /var/log/passwd.log",
        b"grep -r password= /etc",
        b"tool --password --user x",
        b"PASSWORD=$FROM_VAULT run",
        b"token=x",
        b"scp -t /tmp/token",
        b"rsync --server -logDtpre.iLsfxCIvu . /srv",
        b"sort -S 100M file",
        b"\xff\xfe" * 5000,
    ],
)
def test_what_holds_none_is_left_alone(command: bytes) -> None:
    """Ordinary commands, and those that ask on a terminal, are not marked."""
    assert places(command, terminal=False) == ()


@pytest.mark.parametrize(
    "piece",
    [
        b"sudo -u ",
        b"mysql -",
        b"curl -u a",
        b"a://",
        b"echo x | sudo -u a ",
        b"A_",
        b"://a:a",
        b"openssl -pass ",
    ],
)
def test_a_hostile_line_holds_nothing_up(piece: bytes) -> None:
    """A line made to be read in many ways is read in time all the same; there is no end to wait for otherwise."""
    for tail in (b"", b"!", b" -"):
        places(piece * 4000 + tail, terminal=False)
