"""Results of probes, signed as the command signs them on a machine that is not ours."""

import json
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any

from admin_api.probes import FORMAT, PURPOSE, VERSION
from recorder.seal import documents
from recorder.seal.signing import SigningKey, generate_key
from recorder.trace import instants


class Prober:
    """A machine that probes from one vantage for one hospital, with its key in *folder*."""

    def __init__(self, folder: Path, vantage: str, hospital_id: str) -> None:
        """Make its key."""
        folder.mkdir(parents=True, exist_ok=True)
        self.vantage = vantage
        self.hospital_id = hospital_id
        self.key = generate_key(folder / f"{vantage}.pem")

    def registered(self, folder: Path) -> "Prober":
        """Put its public half where *folder* has the keys of probes."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.vantage}.pem.pub").write_bytes(self.key.public.to_pem())
        return self

    def holding(self, key: SigningKey) -> "Prober":
        """The same machine with another *key*."""
        other = copy(self)
        other.key = key
        return other

    def result(self, at: datetime, **changed: object) -> dict[str, Any]:
        """What it found at *at*: nothing, but for what is *changed*; signed by its key."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "hospital_id": self.hospital_id,
            "vantage": self.vantage,
            "at": instants.text(at),
            "tried": 3,
            "answered": [],
            "refused": [],
            "missing": [],
            **changed,
        }
        return dict(json.loads(documents.signed(content, PURPOSE, self.key)))
