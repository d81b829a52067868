"""Where the API is and by which token this machine speaks to it.

``ecluse login`` writes one file, ``token.json`` in ``$ECLUSE_STATE`` or ``~/.config/ecluse``, readable by its owner
only. Scripts may give ``ECLUSE_API_URL``, ``ECLUSE_API_CA`` and ``ECLUSE_API_TOKEN_FILE`` instead, which win.
"""

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ecluse.errors import FileUnusable, NotLoggedIn
from policy.vault.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An address (``https://host:port``), the CA file to trust and nothing else, and the token if there is one."""

    url: str
    ca: Path
    token: Secret | None


def state_file(environment: Mapping[str, str]) -> Path:
    """Return where the token is kept."""
    directory = environment.get("ECLUSE_STATE")
    base = Path(directory) if directory else Path.home() / ".config" / "ecluse"
    return base / "token.json"


def load(environment: Mapping[str, str], *, url: str | None = None, ca: Path | None = None) -> Profile:
    """Put together the profile of this machine; *url* and *ca* given on the command line win over all.

    Raises NotLoggedIn where no address is known, FileUnusable where a file cannot be read or others may read it.
    """
    kept = _read(state_file(environment))
    address = url or environment.get("ECLUSE_API_URL") or kept.get("url")
    authority = ca or environment.get("ECLUSE_API_CA") or kept.get("ca")
    if not address or not authority:
        raise NotLoggedIn("login.unknown")
    if not address.startswith("https://"):
        raise NotLoggedIn("login.https", url=address)
    token_file = environment.get("ECLUSE_API_TOKEN_FILE")
    token = _token_of(Path(token_file)) if token_file else kept.get("token")
    return Profile(url=address.rstrip("/"), ca=Path(authority), token=Secret(token) if token else None)


def overruling(environment: Mapping[str, str], profile: Profile) -> tuple[str, ...]:
    """Return the variables by which the next commands would not go on by *profile*, once it is saved."""
    url, ca = environment.get("ECLUSE_API_URL"), environment.get("ECLUSE_API_CA")
    overruled = {
        "ECLUSE_API_URL": url and url.rstrip("/") != profile.url,
        "ECLUSE_API_CA": ca and Path(ca).resolve() != profile.ca.resolve(),
        "ECLUSE_API_TOKEN_FILE": environment.get("ECLUSE_API_TOKEN_FILE"),
    }
    return tuple(name for name, so in overruled.items() if so)


def save(environment: Mapping[str, str], profile: Profile) -> Path:
    """Write the profile with its token, mode 0600, and return where."""
    path = state_file(environment)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    document = {
        "url": profile.url,
        "ca": str(profile.ca.resolve()),
        "token": profile.token.reveal() if profile.token else None,
    }
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    fresh.replace(path)
    return path


def forget(environment: Mapping[str, str]) -> None:
    """Drop the token kept on this machine; the address stays."""
    path = state_file(environment)
    kept = _read(path)
    if kept.get("url") and kept.get("ca"):
        save(environment, Profile(url=kept["url"], ca=Path(kept["ca"]), token=None))


def _read(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise FileUnusable("file.open_to_others", path=str(path))
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as broken:
        raise FileUnusable("file.unreadable", path=str(path)) from broken
    return (
        {key: value for key, value in found.items() if isinstance(value, str)}
        if isinstance(found, dict)
        else {}
    )


def _token_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as broken:
        raise FileUnusable("file.unreadable", path=str(path)) from broken
