"""Any text at all, where a person or an attacker types: one kind of error, never another."""

import contextlib
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from policy.authn import ssh_keys, totp
from policy.authn.denylist import is_predictable
from policy.authn.lockout import origin_of
from policy.errors import AuthenticationFailed, InvalidInput, VaultError
from policy.vault.envelope import Envelope
from policy.vault.secret import Secret

ANY = st.text(st.characters(exclude_categories=()), max_size=200)
RFC_SECRET = Secret("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
AT = datetime(2026, 10, 3, 20, 15, 7, tzinfo=UTC)


@given(typed=ANY)
def test_any_code_matches_or_fails(typed: str) -> None:
    """A code is right, and then of this step or a neighbour's, or AuthenticationFailed."""
    with contextlib.suppress(AuthenticationFailed):
        assert abs(totp.verify(RFC_SECRET, typed, AT) - totp.current_step(AT)) <= 1


@given(
    line=ANY | st.builds("ssh-ed25519 {}".format, ANY) | st.builds("ssh-rsa AAAAB3NzaC1yc2E{}".format, ANY)
)
def test_any_public_key_line_is_a_key_or_invalid(line: str) -> None:
    """A line is a key, or InvalidInput."""
    with contextlib.suppress(InvalidInput):
        ssh_keys.parse(line)


@given(sealed=ANY | st.from_regex(r"ecv1:k1-00000000:[A-Za-z0-9_=-]{0,60}", fullmatch=True))
def test_any_envelope_is_sound_or_refused(sealed: str) -> None:
    """What parses is written back as it was; the rest is VaultError."""
    try:
        parsed = Envelope.parse(sealed)
    except VaultError:
        return
    assert str(parsed) == sealed


@given(source=ANY | st.ip_addresses().map(str))
def test_any_source_has_an_origin_or_is_invalid(source: str) -> None:
    """An address has one origin, stable when taken again; the rest is InvalidInput."""
    try:
        origin = origin_of(source)
    except InvalidInput:
        return
    assert origin_of(origin.partition("/")[0]) == origin


@given(password=ANY, word=ANY)
@settings(deadline=None)
def test_any_password_is_judged(password: str, word: str) -> None:
    """The deny-list answers for every text; a text of letters is predictable to whoever knows it."""
    assert isinstance(is_predictable(password, (word,)), bool)
    if password.isascii() and password.isalpha() and len(password) >= 3:
        assert is_predictable(password, (password,))
