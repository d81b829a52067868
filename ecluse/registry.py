"""The keys that root registers on the console's machine, as the command line shows and changes them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from admin_api.registered_keys import RegisteredKeys
from ecluse.desk import Desk
from ecluse.errors import FileUnusable, MachineError
from ecluse.local_acts import journalled, system_user
from ecluse.settings import Settings
from ecluse.tables import whole
from recorder.errors import SignatureInvalid
from recorder.seal.signing import PublicKey, generate_key

_NO_NAME: Final = {"flows": "flows.vantage", "self_audit": "self_audit.node"}
_NO_KEY: Final = {"flows": "flows.no_key_made", "self_audit": "self_audit.no_key_made"}


@dataclass(frozen=True, slots=True)
class Registry:
    """Keys of one *kind*, with which sentences and events about them begin; *named*: what a key is called by."""

    kind: str
    named: str
    settings: Settings
    keys: RegisteredKeys

    def add(self, desk: Desk, name: str, public: Path) -> None:
        """Register the key in the file *public* under *name*. Raises EcluseError."""
        try:
            key = PublicKey.load(public)
        except SignatureInvalid as error:
            raise FileUnusable(f"{self.kind}.no_public_key", path=str(public), why=str(error)) from error
        place = self._place(name)
        if self.kind == "self_audit" and name == self.settings.node:
            # whoever holds that key would speak for the console's machine
            raise MachineError("self_audit.own_node", value=name)
        try:
            self.keys.enter(name, key)
        except FileExistsError as error:
            raise FileUnusable(f"{self.kind}.key_known", **{self.named: name}) from error
        except OSError as error:
            raise FileUnusable("file.unwritable", path=str(place), why=error.strerror) from error
        facts = {self.named: name, "key": key.key_id, "fingerprint": key.fingerprint}
        self._journal("key_added", facts)
        desk.done(facts, f"{self.kind}.key_added", **{self.named: name, "fingerprint": key.fingerprint})

    def show(self, desk: Desk) -> None:
        """Write all of them."""
        found = [(name, self.keys.of(name)) for name in self.keys.names()]
        rows = [(name, None if key is None else key.fingerprint) for name, key in found]
        documents = [{self.named: name, "fingerprint": fingerprint} for name, fingerprint in rows]
        columns = whole(f"field.{self.named}", "field.fingerprint")
        desk.show_table(columns, rows, documents, empty=f"{self.kind}.no_keys")

    def remove(self, desk: Desk, name: str) -> None:
        """Take the key of *name* away. Raises EcluseError."""
        place = self._place(name)
        try:
            place.unlink()
        except FileNotFoundError as error:
            raise FileUnusable(f"{self.kind}.key_unknown", **{self.named: name}) from error
        except OSError as error:
            raise FileUnusable("file.unwritable", path=str(place), why=error.strerror) from error
        self._journal("key_removed", {self.named: name})
        desk.done({self.named: name}, f"{self.kind}.key_removed", **{self.named: name})

    def _place(self, name: str) -> Path:
        try:
            return self.keys.place(name)
        except ValueError as error:
            raise MachineError(_NO_NAME[self.kind], value=name) from error

    def _journal(self, what: str, facts: dict[str, str]) -> None:
        chain = "probe-keys" if self.kind == "flows" else "audit-keys"
        name = f"{self.kind}.{what}"
        asyncio.run(journalled(self.settings, name, facts, actor=system_user(), chain=chain))


def make(desk: Desk, kind: str, path: Path) -> None:
    """Make a key of that *kind* at *path*, its public half beside it, in ``….pub``. Raises MachineError."""
    try:
        made = generate_key(path)
    except SignatureInvalid as error:
        raise MachineError(_NO_KEY[kind], path=str(path), why=str(error)) from error
    public = f"{path}.pub"
    document = {"key": made.public.key_id, "fingerprint": made.public.fingerprint, "public": public}
    desk.done(document, f"{kind}.key_made", public=public, fingerprint=made.public.fingerprint)
