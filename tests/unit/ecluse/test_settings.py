"""The settings file and its variables."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from ecluse import composition, settings
from ecluse.errors import SettingsError
from ecluse.private_files import database_passwords
from ecluse.sections import Part

HOSPITAL = "0" * 32


def write(folder: Path, text: str) -> Path:
    """Write a settings file naming a hospital, then *text*."""
    path = folder / "ecluse.toml"
    path.write_text(f'hospital_id = "{HOSPITAL}"\n{text}')
    return path


def test_a_minimal_file_gives_every_default(tmp_path: Path) -> None:
    """The hospital's id is enough: the data directory is the file's own."""
    chosen = settings.load(write(tmp_path, ""))
    assert chosen.data_dir == tmp_path
    assert chosen.policy_url() == f"sqlite:///{tmp_path}/policy.db"
    assert chosen.spool == tmp_path / "spool"
    assert chosen.evaluation_stores


def test_a_variable_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``ECLUSE_GATEWAY__PORT`` wins over the file's gateway.port, and leaves its neighbours alone."""
    monkeypatch.setenv("ECLUSE_GATEWAY__PORT", "2022")
    chosen = settings.load(write(tmp_path, '[gateway]\nport = 2200\nhost = "127.0.0.9"\n'))
    assert (chosen.gateway.host, chosen.gateway.port) == ("127.0.0.9", 2022)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[gateway]\nprot = 22\n", "gateway.prot"),
        ("[gateway]\nport = 70000\n", "gateway.port"),
        ("[gateway]\nlogin_grace_seconds = 0\n", "gateway.login_grace_seconds"),
        ('[gateway]\nproxy_sources = ["10.0.0.5/28"]\n', "gateway.proxy_sources.0"),
        ('[gateway]\nproxy_sources = ["balancer.chu.example"]\n', "gateway.proxy_sources.0"),
        ('[gateway]\nproxy_sources = ["::/0"]\n', "gateway.proxy_sources.0"),
        ('node = "Not A Node"\n', "node"),
        ("[store]\nretention_days = 89\n", "store.retention_days"),
        ('[store]\nbucket = "Not_A_Bucket"\n', "store.bucket"),
        ('[store]\nendpoint = "ftp://store"\n', "store.endpoint"),
        ('[store]\nprefix = "/traces/"\n', "store.prefix"),
        ('[store]\nlock_mode = "none"\n', "store.lock_mode"),
        ('[policy_database]\nurl = "mysql://h/d"\n', "policy_database.url"),
        ('[policy_database]\nurl = "postgresql://u:hunter2@h/d"\n', "password_file"),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, text: str, named: str) -> None:
    """The error says which key is wrong, and in which file."""
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as refused:
        settings.load(path)
    assert named in str(refused.value)
    assert str(path) in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    """Two mistakes give two lines."""
    with pytest.raises(SettingsError) as refused:
        settings.load(write(tmp_path, "[gateway]\nport = -1\n[console]\nport = -1\n"))
    assert "gateway.port" in str(refused.value)
    assert "console.port" in str(refused.value)


@pytest.mark.parametrize(
    ("variable", "value"), [("ECLUSE_GATEWAY__PORT", "70000"), ("ECLUSE_GATEWAY__PROT", "22")]
)
def test_a_wrong_variable_is_blamed_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """What an environment variable sets wrongly is not looked for in the file."""
    path = write(tmp_path, "")
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        settings.load(path)
    assert variable in str(refused.value)
    assert str(path) not in str(refused.value)


@pytest.mark.parametrize("content", [b"[gateway\n", b"\xff\xfe"])
def test_what_is_not_toml_is_said_so(tmp_path: Path, content: bytes) -> None:
    """A broken file gives a sentence with its name."""
    path = tmp_path / "ecluse.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="is not TOML"):
        settings.load(path)


def test_no_file_says_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no settings file, the error names ``ecluse init``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ECLUSE_CONFIG", raising=False)
    monkeypatch.setattr(settings, "SYSTEM_CONFIG", tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="ecluse init"):
        settings.find(None)


def test_a_folder_that_may_not_be_looked_into_holds_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gateway's user in root's home is sent to the system's settings, and told where she may not read them either."""
    here, system = tmp_path / "root", tmp_path / "etc/ecluse.toml"
    for folder in (here, system.parent):
        folder.mkdir()
    monkeypatch.delenv(settings.CONFIG_VARIABLE, raising=False)
    monkeypatch.setattr(settings, "SYSTEM_CONFIG", system)
    monkeypatch.chdir(here)
    own = os.geteuid()
    for folder in (here, system.parent):
        folder.chmod(0)
    try:
        if own == 0:  # nothing is closed to root
            os.seteuid(65534)
        with pytest.raises(SettingsError, match=r"ecluse\.toml: cannot be read \(Permission denied\)"):
            settings.load(settings.find(None))
    finally:
        os.seteuid(own)
        for folder in (here, system.parent):
            folder.chmod(0o700)


@pytest.mark.parametrize("relative", [True, False])
def test_the_password_of_a_database_comes_from_its_file(tmp_path: Path, relative: bool) -> None:
    """The URL keeps no password; what the file says, in the data directory or elsewhere, is quoted into it."""
    secret = tmp_path / "password"
    secret.write_text("p@ss/word\n")
    named = secret.name if relative else str(secret)
    text = f'[policy_database]\nurl = "postgresql://ecluse@db/policy"\npassword_file = "{named}"\n'
    chosen = settings.load(write(tmp_path, text))
    assert chosen.policy_url() == "postgresql://ecluse:p%40ss%2Fword@db/policy"
    assert "p@ss" not in repr(chosen)


def test_each_process_connects_as_its_own_user(tmp_path: Path) -> None:
    """The owner's password is the owner's alone; a process without a user of its own connects as the owner."""
    for name in ("owner", "gateway"):
        (tmp_path / name).write_text(f"{name}-secret")
    text = (
        f'[policy_database]\nurl = "postgresql://owner@db/policy"\npassword_file = "{tmp_path}/owner"\n'
        f'gateway_user = "ecluse_gateway"\ngateway_password_file = "{tmp_path}/gateway"\n'
    )
    chosen = settings.load(write(tmp_path, text))
    assert chosen.policy_url(Part.GATEWAY) == "postgresql://ecluse_gateway:gateway-secret@db/policy"
    assert chosen.policy_url(Part.CONSOLE) == "postgresql://owner:owner-secret@db/policy"
    assert chosen.trace_url(Part.GATEWAY) == chosen.trace_url()
    without = text.replace(f'gateway_password_file = "{tmp_path}/gateway"\n', "")
    assert (
        settings.load(write(tmp_path, without)).policy_url(Part.GATEWAY)
        == "postgresql://ecluse_gateway@db/policy"
    )
    with pytest.raises(SettingsError, match="gateway_user"):
        settings.load(write(tmp_path, text.replace('"ecluse_gateway"', '"x y"')))


def test_a_process_needs_its_own_password_and_not_the_owner_s(tmp_path: Path) -> None:
    """Which secrets must be there and private at a start: those that this process opens, the owner's for nobody."""
    text = (
        '[policy_database]\nurl = "postgresql://owner@db/policy"\npassword_file = "/o"\n'
        'gateway_user = "g"\ngateway_password_file = "/g"\nconsole_user = "c"\nconsole_password_file = "/c"\n'
        '[trace_database]\nurl = "postgresql://owner@db/traces"\npassword_file = "/o2"\n'
    )
    chosen = settings.load(write(tmp_path, text))
    assert database_passwords(chosen, Part.GATEWAY) == [Path("/g"), Path("/o2")]
    assert database_passwords(chosen, Part.CONSOLE) == [Path("/c"), Path("/o2")]
    assert database_passwords(chosen, Part.OWNER) == [Path("/o"), Path("/o2")]


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the file that cannot be read."""
    text = '[policy_database]\nurl = "postgresql://ecluse@db/policy"\npassword_file = "/nowhere/secret"\n'
    with pytest.raises(SettingsError, match="/nowhere/secret"):
        settings.load(write(tmp_path, text)).policy_url()


@pytest.mark.parametrize(
    ("section", "names", "url"),
    [
        ("", ("bastion.example",), "https://127.0.0.1:8443"),
        ('[console]\nhost = "0.0.0.0"\nport = 9443\n', ("bastion.example",), "https://bastion.example:9443"),
        ('[console]\nhost = "::1"\n', (), "https://[::1]:8443"),
    ],
)
def test_the_console_s_address_is_what_clients_type(
    tmp_path: Path, section: str, names: tuple[str, ...], url: str
) -> None:
    """Its own host and port; a name of the installation where it listens on every address."""
    assert settings.load(write(tmp_path, section)).console.url(*names) == url


def test_how_long_four_eyes_look_back_is_a_setting(tmp_path: Path) -> None:
    """``policy.four_eyes_days`` reaches the policy."""
    chosen = settings.load(write(tmp_path, "[policy]\nfour_eyes_days = 3\n"))
    assert composition.policy_settings(chosen).four_eyes_period == timedelta(days=3)


def test_the_console_knows_how_long_the_store_keeps(tmp_path: Path) -> None:
    """``store.retention_days`` reaches the page that tells how long recordings are kept."""
    chosen = settings.load(write(tmp_path, "[store]\nretention_days = 366\n"))
    assert composition.api_settings(chosen).store_days == 366


def test_a_credential_of_systemd_s_stands_for_a_key_that_no_setting_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What LoadCredential= hands over is used instead of the file made by init, unless the settings name a key."""
    handed_over = tmp_path / "credentials"
    handed_over.mkdir()
    (handed_over / "trace-signing.pem").touch()
    (handed_over / "api.key").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed_over))
    chosen = settings.load(write(tmp_path, '[console]\nkey = "tls/own.key"\n'))
    assert chosen.signing_key == handed_over / "trace-signing.pem"
    assert chosen.trace_public_keys == (tmp_path / "keys/trace-signing.pem.pub",)
    assert chosen.certificate_key == tmp_path / "tls/own.key"
    assert chosen.host_authority == tmp_path / "keys/host_ca"  # none was handed over
