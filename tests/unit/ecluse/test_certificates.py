"""The installation's CA and what it signs."""

import ssl
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from ecluse.certificates import SERVER_LIFE, make_authority, make_server_certificate, write_private

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def tls(tmp_path: Path) -> Path:
    """A folder with a CA and a server certificate."""
    make_authority(tmp_path, "CH de Brive", AT)
    make_server_certificate(tmp_path, ["localhost", "127.0.0.1"], AT)
    return tmp_path


def test_the_private_keys_are_their_owners_alone(tls: Path) -> None:
    """Both keys have mode 0600."""
    for name in ("ca.key", "api.key"):
        assert stat.S_IMODE((tls / name).stat().st_mode) == 0o600


def test_a_client_that_pins_the_ca_accepts_the_chain(tls: Path) -> None:
    """OpenSSL loads the pair, and the certificate is signed by the CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "api.pem", tls / "api.key")
    authority = x509.load_pem_x509_certificate((tls / "ca.pem").read_bytes())
    certificate = x509.load_pem_x509_certificate((tls / "api.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)


def test_the_certificate_serves_servers_only_and_not_too_long(tls: Path) -> None:
    """It lasts at most 825 days, is no CA, and names the address that clients use."""
    certificate = x509.load_pem_x509_certificate((tls / "api.pem").read_bytes())
    assert certificate.not_valid_after_utc - AT <= SERVER_LIFE
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "localhost" in names.get_values_for_type(x509.DNSName)


def test_a_key_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    """Writing a private file where one stands fails and leaves it as it was."""
    write_private(tmp_path / "key", b"first")
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "key", b"second")
    assert (tmp_path / "key").read_bytes() == b"first"
