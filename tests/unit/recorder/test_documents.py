"""Signed documents: what is believed is what was signed, for what it was signed, by a key that was given."""

import json
from pathlib import Path

import pytest

from recorder.errors import SignatureInvalid, TraceFormatError
from recorder.seal.documents import opened, signed
from recorder.seal.signing import SigningKey, generate_key
from recorder.seal.wrapping import check_wrap
from tests.support.traces import header


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[SigningKey, SigningKey]:
    """Two keys, of which the first signs."""
    folder = tmp_path_factory.mktemp("keys")
    return generate_key(folder / "one.pem"), generate_key(folder / "two.pem")


def test_a_document_reads_as_it_was_signed(keys: tuple[SigningKey, SigningKey], tmp_path: Path) -> None:
    """It names its signer, is found by that key among others, and may have been laid out anew by a tool."""
    one, two = keys
    made = signed({"a": 1, "é": [None, "x"]}, "probe", one)
    content, key = opened(made, "probe", [two.public, one.public])
    assert content == {"a": 1, "é": [None, "x"], "signer": one.public.key_id}
    assert key.key_id == one.public.key_id
    pretty = json.dumps(json.loads(made), indent=2).encode()
    assert opened(pretty, "probe", [one.public])[0] == content
    assert opened(json.loads(made), "probe", [one.public])[0] == content


def test_every_byte_of_a_document_counts(keys: tuple[SigningKey, SigningKey]) -> None:
    """Whatever byte is flipped, whatever end is cut off: it is believed no more."""
    one, _ = keys
    made = signed({"answered": [], "tried": 3}, "probe", one)
    for place in range(len(made) - 1):  # the last one ends the line
        touched = bytearray(made)
        touched[place] ^= 1
        with pytest.raises((SignatureInvalid, TraceFormatError)):
            opened(bytes(touched), "probe", [one.public])
        with pytest.raises((SignatureInvalid, TraceFormatError)):
            opened(made[:place], "probe", [one.public])


def test_another_purpose_another_key_and_no_signature_are_refused(
    keys: tuple[SigningKey, SigningKey],
) -> None:
    """A proof of one thing is none of another; a signer that names itself another's key is found out."""
    one, two = keys
    made = signed({"tried": 3}, "probe", one)
    for purpose, known in (("self-audit", one), ("probe", two)):
        with pytest.raises(SignatureInvalid):
            opened(made, purpose, [known.public])
    content = json.loads(made)
    for forged in (
        {**content, "signer": two.public.key_id},
        {name: value for name, value in content.items() if name != "signature"},
        {**content, "signature": "no base 64"},
        {**content, "signature": None},
        {**content, "signature": "signé"},
        {**content, "signature": "\ud800"},
        {**content, "tried": 4},
        {**content, "further": 1},
    ):
        with pytest.raises(SignatureInvalid):
            opened(forged, "probe", [one.public, two.public])
    for none in (b"", b"[]", b"3", b"\xff"):
        with pytest.raises(TraceFormatError):
            opened(none, "probe", [one.public])


@pytest.mark.parametrize("signature", ["no base 64", "signé", "\ud800"])
def test_a_wrap_whose_signature_is_no_base64_is_none(
    keys: tuple[SigningKey, SigningKey], signature: str
) -> None:
    """Whatever text stands there, what lies beside a trace is refused by name; nobody who verifies it stumbles."""
    with pytest.raises(TraceFormatError, match="not base64"):
        check_wrap(json.dumps({"signature": signature}).encode(), header(), keys[0].public)
