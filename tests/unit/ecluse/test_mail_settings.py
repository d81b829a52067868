"""The mail server in the settings: what is handed over, and what is refused before anything starts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from admin_api.settings import MailTransport
from ecluse.certificates import make_authority
from ecluse.composition import api_settings, mail_settings, policy_settings
from ecluse.errors import SettingsError
from ecluse.private_files import console_secrets
from ecluse.settings import Settings, build

BASE = {"hospital_id": "0" * 32}


def settings(directory: Path, **mail: object) -> Settings:
    """Return settings of an installation in *directory* with these of mail."""
    return build({**BASE, "data_dir": str(directory), "mail": mail}, "ecluse.toml")


def test_without_a_host_nothing_is_mailed(tmp_path: Path) -> None:
    """An installation that names no mail server queues nothing and sends nothing."""
    plain = settings(tmp_path)
    assert mail_settings(plain) is None
    assert policy_settings(plain).mails is False
    assert policy_settings(plain).engagements is True


def test_a_server_with_its_password_and_ca_is_handed_over(tmp_path: Path) -> None:
    """Relative paths are the data directory's, the password is a secret, and its file is among the private ones."""
    make_authority(tmp_path, "Courrier", datetime.now(UTC))
    (tmp_path / "password").write_text("très secret\n")
    told = settings(
        tmp_path,
        host="smtp.example",
        sender="ecluse@example.org",
        user="u",
        password_file="password",
        ca="ca.pem",
    )
    found = mail_settings(told)
    assert found is not None
    assert (found.host, found.port, found.transport) == ("smtp.example", 587, MailTransport.STARTTLS)
    assert found.password is not None
    assert found.password.reveal() == "très secret"
    assert "très secret" not in repr(found)
    assert found.authority == tmp_path / "ca.pem"
    assert tmp_path / "password" in console_secrets(told)
    assert policy_settings(told).mails is True


@pytest.mark.parametrize(
    ("mail", "key"),
    [
        ({"host": "smtp.example", "transport": "plain"}, "settings.mail_plain"),
        ({"host": "smtp.example", "password_file": "missing"}, "settings.password_unreadable"),
        ({"host": "smtp.example", "ca": "missing.pem"}, "settings.ca"),
    ],
)
def test_what_could_not_be_sent_safely_is_refused_at_start(
    tmp_path: Path, mail: dict[str, object], key: str
) -> None:
    """Mail in the clear to another machine, a password or a CA that is not there: named before anything runs."""
    with pytest.raises(SettingsError) as refused:
        mail_settings(settings(tmp_path, **mail))
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("mail", "said"),
    [({"host": "a b"}, "mail.host"), ({"sender": "nobody"}, "mail.sender"), ({"x": 1}, "mail.x")],
)
def test_wrong_values_name_their_setting(tmp_path: Path, mail: dict[str, object], said: str) -> None:
    """A host, an address or a key that is none is told by its place in the file."""
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, **mail)


def test_links_are_made_of_the_address_people_find(tmp_path: Path) -> None:
    """The public address wins; without one, the console's own, under a name that the pages answer under."""
    own = build({**BASE, "data_dir": str(tmp_path)}, "ecluse.toml")
    assert policy_settings(own).pages_url == "https://127.0.0.1:8443"
    named = build(
        {**BASE, "data_dir": str(tmp_path), "console": {"public_url": "https://bastion.example:8443"}},
        "ecluse.toml",
    )
    assert policy_settings(named).pages_url == "https://bastion.example:8443"
    assert "127.0.0.1" in api_settings(own).page_hosts
    with pytest.raises(SettingsError, match="public_url"):
        build(
            {**BASE, "data_dir": str(tmp_path), "console": {"public_url": "http://bastion.example"}},
            "ecluse.toml",
        )
