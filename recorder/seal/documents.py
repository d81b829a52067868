"""Signed documents: one JSON object that names its signer, for whoever is handed a file and has a public key.

The signature is over the canonical bytes of what the document says, behind what it is for: a document of one purpose is
none of another.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from recorder.errors import SignatureInvalid
from recorder.seal.signing import PublicKey, SigningKey
from recorder.trace.frames import canonical, parse_object

SIGNER: Final = "signer"
SIGNATURE: Final = "signature"


def signed(content: Mapping[str, Any], purpose: str, key: SigningKey) -> bytes:
    """The document that says *content*, as one line.

    Raises:
        TraceFormatError: The content has no JSON form.
    """
    told = {**content, SIGNER: key.public.key_id}
    signature = base64.b64encode(key.sign(_bytes(told, purpose))).decode()
    return canonical({**told, SIGNATURE: signature}) + b"\n"


def opened(
    document: bytes | Mapping[str, Any], purpose: str, keys: Sequence[PublicKey]
) -> tuple[dict[str, Any], PublicKey]:
    """What the document says, and by which of the keys.

    Raises:
        SignatureInvalid: None of the keys signed it, or it was changed since, or is for something else.
        TraceFormatError: It is no JSON object.
    """
    content = parse_object(document, purpose) if isinstance(document, bytes) else dict(document)
    try:
        signature = base64.b64decode(str(content.pop(SIGNATURE, "")), validate=True)
    except ValueError as error:  # not base 64, or text beyond ASCII
        raise SignatureInvalid(f"this {purpose} bears no signature") from error
    signer = str(content.get(SIGNER))
    key = next((one for one in keys if one.key_id == signer), None)
    if key is None:
        raise SignatureInvalid(f"key {signer[:16]}, which signed this {purpose}, is none of those given")
    try:
        key.verify(signature, _bytes(content, purpose))
    except SignatureInvalid as error:
        raise SignatureInvalid(
            f"key {key.key_id} did not sign this {purpose}, or not as it reads now"
        ) from error
    return content, key


def _bytes(content: Mapping[str, Any], purpose: str) -> bytes:
    return f"ecluse {purpose} v1\x00".encode() + canonical(dict(content))
