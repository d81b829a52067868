"""One-time codes: RFC 6238, one step either way, and no other."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from policy.authn import totp
from policy.errors import AuthenticationFailed, VaultError
from policy.vault.secret import Secret

RFC_SECRET = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
"""RFC 6238 appendix B: the ASCII string 12345678901234567890 in base32."""

AT = datetime(2026, 10, 3, 20, 15, 7, tzinfo=UTC)


def code(steps: int, at: datetime = AT) -> str:
    """The code of the step *steps* after that of *at*."""
    return pyotp.TOTP(RFC_SECRET.reveal()).generate_otp(totp.current_step(at) + steps)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_vectors_of_rfc_6238(seconds: int, expected: str) -> None:
    """The published SHA-1 vectors, cut to six digits, verify at their time."""
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.verify(RFC_SECRET, expected, at) == seconds // 30


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_one_step_either_way_is_right_and_named(steps: int) -> None:
    """The step returned is the code's own, so that it can be used up."""
    assert totp.verify(RFC_SECRET, code(steps), AT) == totp.current_step(AT) + steps


@pytest.mark.parametrize("steps", [-20, -3, -2, 2, 3, 20])
def test_two_steps_away_is_wrong(steps: int) -> None:
    """A code older or newer than one step fails."""
    with pytest.raises(AuthenticationFailed):
        totp.verify(RFC_SECRET, code(steps), AT)


def test_the_edges_of_a_step_are_half_open() -> None:
    """A code is right from one step before its own until the end of the step after."""
    start = datetime.fromtimestamp(totp.current_step(AT) * 30, UTC)
    mine = code(0)
    totp.verify(RFC_SECRET, mine, start - timedelta(seconds=30))
    totp.verify(RFC_SECRET, mine, start + timedelta(seconds=60) - timedelta(microseconds=1))
    for outside in (start - timedelta(seconds=30, microseconds=1), start + timedelta(seconds=60)):
        with pytest.raises(AuthenticationFailed):
            totp.verify(RFC_SECRET, mine, outside)


def test_spaces_as_apps_show_them_are_ignored() -> None:
    """``123 456`` is ``123456``."""
    mine = code(0)
    for typed in (f"{mine[:3]} {mine[3:]}", f" {mine} ", f"{mine[:3]}\u00a0{mine[3:]}"):
        assert totp.verify(RFC_SECRET, typed, AT) == totp.current_step(AT)


def digits_of(start: int) -> str:
    """The right code written in the decimal digits that begin at the code point *start*."""
    return "".join(chr(start + int(digit)) for digit in code(0))


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "12345",
        "1234567",
        "abcdef",
        "-12345",
        "+12345",
        "1e5000",
        digits_of(0xFF10),
        digits_of(0x0660),
        digits_of(0x1D7CE),
        f"0{code(0)}",
        f"{code(0)}\n",
        f"{code(0)}\0",
        f"{code(0)[:5]}",
        "9" * 100_000,
        " " * 100_000 + code(0),
        "\ud800" * 6,
    ],
)
def test_anything_but_six_ascii_digits_is_wrong(typed: str) -> None:
    """Full-width, Arabic and mathematical digits, signs, line ends, floods and surrogates fail quietly."""
    with pytest.raises(AuthenticationFailed) as refused:
        totp.verify(RFC_SECRET, typed, AT)
    assert str(refused.value) == "authentication failed"


def test_a_malformed_code_never_stands_for_a_real_one() -> None:
    """At an instant whose right code is 000000, junk still fails (junk is compared as 000000)."""
    generator = pyotp.TOTP(RFC_SECRET.reveal())
    step = 349_495  # the first one
    assert generator.generate_otp(step) == "000000"
    at = datetime.fromtimestamp(step * 30, UTC)
    assert totp.verify(RFC_SECRET, "000000", at) == step
    with pytest.raises(AuthenticationFailed):
        totp.verify(RFC_SECRET, "junk", at)


def test_a_secret_that_is_no_base32_is_the_vaults_failure() -> None:
    """A damaged row fails closed and is not taken for a wrong code."""
    with pytest.raises(VaultError, match="enrol"):
        totp.verify(Secret("0189!"), "123456", AT)


def test_new_secrets_have_160_bits_and_differ() -> None:
    """RFC 4226 section 4, R6."""
    secrets = {totp.new_secret().reveal() for _ in range(20)}
    assert len(secrets) == 20
    assert all(len(text) * 5 == 160 for text in secrets)


def test_the_provisioning_address_is_secret_and_says_whose_it_is() -> None:
    """An authenticator reads login, issuer and secret from it; its repr shows none of them."""
    uri = totp.provisioning_uri(RFC_SECRET, login="alice", hospital_name="CH de Nulle-Part: site nord")
    assert RFC_SECRET.reveal() not in repr(uri)
    parts = urlsplit(uri.reveal())
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert query["secret"] == [RFC_SECRET.reveal()]
    assert query["issuer"] == ["Écluse CH de Nulle-Part  site nord"]
    assert parts.path.endswith(":alice")
