"""What a log line must not say, taken out whatever way it got in: by key, by type or inside a text.

This is the net under the trapeze, not the trapeze: secrets travel as `policy.vault.secret.Secret` and show nowhere by
themselves. Where a name only looks like a secret's it is taken out too; a lost word in a log is the cheaper error.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from policy.vault.secret import Secret

REDACTED: Final = "[redacted]"
TOO_DEEP: Final = "[nested too deep to show]"
# Deeper than any line of ours; also ends what contains itself.
MAX_DEPTH: Final = 12
# Characters of one text in a line; the rest is counted, not shown.
MAX_TEXT: Final = 16_384

# Anywhere in a key, once its separators are gone: `user_password`, `X-Auth-Token`, `privateKey`.
_TELLTALE: Final = (
    "password", "passwd", "passphrase", "secret", "totp", "token", "authorization",
    "privatekey", "masterkey", "signingkey", "apikey", "credential", "cookie",
)  # fmt: skip
# Only as a whole word of a key: `code` is a one-time code, `exit_code` is not.
_WHOLE_KEYS: Final = frozenset(
    {"code", "codes", "onetimecode", "pwd", "pin", "otp", "bearer", "auth", "answers"}
)
# `token_id` and the like say which secret, not what it is.
_HARMLESS_ENDINGS: Final = ("_id", "_ids", "_kind", "_version", "_fingerprint", "_count")

# Every repetition below is bounded or consumes what it looks at, so that a long line costs a linear time.
_NAME_IN_TEXT: Final = (
    r"(?:passwor[dt]|passwd|passphrase|pwd|secret|totp|otp|token|private[_-]?key|api[_-]?key|master[_-]?key"
    r"|cookie|authorization|answers|mot de passe"
    r"|(?<!exit[ _-])(?<!status[ _-])(?<!error[ _-])(?<!rule[ _-])(?<![A-Za-z])code)[\w.-]{0,40}"
)
# `name=`, `"name": `, `name : `, or the first of a quoted pair: `('name', `.
_SEPARATOR_IN_TEXT: Final = (
    r"(?:\\{0,8}[\"']?\s{0,8}(?:=|:(?!:)|%3D)\s{0,8}|\\{0,8}[\"']\s{0,8},\s{0,8}(?=b?\\{0,8}[\"']))"
)
_VALUE_IN_TEXT: Final = (
    # quoted inside a quotation: how deep is not for us to count, the rest goes
    r"(?:b?\\{1,8}[\"'].*"
    # quoted: to the closing quote, or to the end where there is none
    r"|b?\".*?(?:(?<!\\)\"|\Z)|b?'.*?(?:(?<!\\)'|\Z)"
    # a list or an object: to what closes first, or to the end
    r"|[\[({][^\])}]*"
    # a bare word
    r"|[^\s,;&)\]}]+)"
)
_PATTERNS: Final = (
    # A private key in PEM or OpenSSH armour; one that is cut off is taken out to the end.
    (
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----.*?"
            r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----|\Z)",
            re.DOTALL,
        ),
        REDACTED,
    ),
    (re.compile(r"PuTTY-User-Key-File-\d.*", re.DOTALL), REDACTED),
    # A TOTP enrolment.
    (re.compile(r"otpauth(?:-migration)?(?::|%3A)\S+", re.IGNORECASE), REDACTED),
    # RFC 6750 and RFC 7617, in a header or quoted from one.
    (
        re.compile(r"\b(Bearer|Basic|Digest)(?:\s|%20|\\[nrt]){1,8}[\w.~+/=:-]{3,}", re.IGNORECASE),
        rf"\1 {REDACTED}",
    ),
    # Invitations, tokens and visits of our own, whatever they stand beside: in an address, in a cookie.
    (re.compile(r"\becl[a-z]{3}_[0-9a-f]{32}_[A-Za-z0-9_-]+"), REDACTED),
    # The password of a URL: a database's, a proxy's.
    (re.compile(r"(://[^\s/:@]{0,255}:)[^\s/]+(?=@)"), rf"\1{REDACTED}"),
    # `password=x`, `"token": "x y"`, `secret='x'`, `Mot de passe : x`.
    (
        re.compile(
            rf"({_NAME_IN_TEXT}{_SEPARATOR_IN_TEXT}){_VALUE_IN_TEXT}",
            re.IGNORECASE | re.DOTALL,
        ),
        rf"\1{REDACTED}",
    ),
)


def redact(value: object) -> Any:
    """Give *value* as JSON can hold it, without what must not be said."""
    return _redact(value, 0)


def redact_text(text: str) -> str:
    """Take keys, tokens, passwords and enrolments out of a text, and bound its length."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    if len(text) > MAX_TEXT:
        return f"{text[:MAX_TEXT]}… ({len(text) - MAX_TEXT} more characters)"
    return text


def is_telltale(key: str) -> bool:
    """Tell whether what stands under *key* is to be taken out, whatever it is."""
    lowered = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_").strip()
    if lowered.endswith(_HARMLESS_ENDINGS):
        return False
    squashed = re.sub(r"[^a-z0-9]", "", lowered)
    return squashed in _WHOLE_KEYS or any(word in squashed for word in _TELLTALE)


def _redact(value: object, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Secret):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return redact_text(bytes(value).decode("utf-8", "backslashreplace"))
    if depth >= MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {_name(key): _redact_entry(key, entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple, AbstractSet)):
        return [_redact(entry, depth + 1) for entry in _unpaired(list(value))]
    return redact_text(_shown(value))


def _redact_entry(key: object, value: object, depth: int) -> Any:
    if is_telltale(_name(key)) and value is not None and not isinstance(value, bool):
        return REDACTED
    return _redact(value, depth)


def _name(key: object) -> str:
    return redact_text(key.decode("utf-8", "backslashreplace") if isinstance(key, bytes) else str(key))


def _unpaired(entries: list[Any]) -> list[Any]:
    """Give the entries; in a pair such as an HTTP header the first names the second."""
    if len(entries) == 2 and isinstance(entries[0], (str, bytes)) and is_telltale(_name(entries[0])):
        return [entries[0], REDACTED]
    return entries


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # whatever a hostile or broken repr raises, the line is still written
        return f"<{type(value).__name__} that cannot show itself>"
