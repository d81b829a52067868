"""What a command works with: the API, the language, and the screen it writes on."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecluse.client import ApiClient
from ecluse.errors import EcluseError, Refused
from ecluse.profile import Profile, load
from policy import i18n
from recorder.replay.transcript import neutralise

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_CATALOG = i18n.load("ecluse")
_LANGUAGES = ("fr", "en")


def language_of(environment: Mapping[str, str], wish: str | None = None) -> str:
    """Return ``fr`` or ``en``: the *wish* of the command line, else the locale's (POSIX order), else English."""
    names = [wish, *(environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))]
    for name in names:
        if name:
            code = name.lower().replace("-", "_").partition("_")[0].partition(".")[0]
            return code if code in _LANGUAGES else "en"
    return "en"


class Desk:
    """One run of the command: made by the root command, handed to each command by Typer's context."""

    def __init__(self, environment: Mapping[str, str], language: str) -> None:
        """Speak *language*, and find the API and its token by *environment*."""
        self.environment = environment
        self.language = language
        self.as_json = False
        self._client: ApiClient | None = None

    @classmethod
    def of(cls, context: typer.Context, as_json: bool = False) -> "Desk":
        """Return the desk of this run; *as_json* makes everything it shows JSON."""
        desk = context.find_root().obj
        if not isinstance(desk, Desk):
            raise TypeError("the root command did not run")
        desk.as_json = as_json
        return desk

    @property
    def client(self) -> ApiClient:
        """The API, with the token of this machine; raises NotLoggedIn where there is none."""
        if self._client is None:
            self._client = ApiClient(load(self.environment), self.language)
        return self._client

    def client_for(self, profile: Profile) -> ApiClient:
        """Return the API at another *profile*, and keep it for this run."""
        self.close()
        self._client = ApiClient(profile, self.language)
        return self._client

    def close(self) -> None:
        """Close the connection to the API."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def say(self, key: str, **arguments: object) -> str:
        """Return the sentence under *key* in the desk's language; the catalogue neutralises its arguments."""
        return _CATALOG.translate(key, self.language, timezone="UTC", **arguments)

    def tell(self, key: str, **arguments: object) -> None:
        """Write one sentence for people; scripts that asked for JSON don't get it."""
        if not self.as_json:
            _out().print(Text(self.say(key, **arguments)))

    def note(self, key: str, **arguments: object) -> None:
        """Write one sentence on standard error, beside what the command prints."""
        _err().print(Text(self.say(key, **arguments)))

    def done(self, document: object, key: str, **arguments: object) -> None:
        """End a command: the *document* for scripts, the sentence for people."""
        if self.as_json:
            self.show_json(document)
        else:
            self.tell(key, **arguments)

    def show_json(self, document: object) -> None:
        """Write *document* as JSON. Its control characters are escaped by JSON itself."""
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True, default=str) + "\n")

    def show_table(self, columns: Sequence[str], rows: Sequence[Sequence[object]], document: object) -> None:
        """Write *rows* under headings (catalogue keys *columns*), or the *document* they come from as JSON."""
        if self.as_json:
            self.show_json(document)
            return
        if not rows:
            self.tell("list.empty")
            return
        table = Table(header_style="bold")
        for column in columns:
            table.add_column(self.say(column), overflow="fold")
        for row in rows:
            table.add_row(*(Text(self._cell(value)) for value in row))
        _out().print(table)

    def show_record(self, fields: Sequence[tuple[str, object]], document: object) -> None:
        """Write one thing's *fields* (catalogue key, value), or its *document* as JSON."""
        if self.as_json:
            self.show_json(document)
            return
        table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for key, value in fields:
            table.add_row(self.say(key), Text(self._cell(value)))
        _out().print(table)

    def show_error(self, error: EcluseError) -> None:
        """Write why the command failed, on standard error: what, which fields, and the next step."""
        if isinstance(error, Refused):
            self._show_problem(error)
        elif self.as_json:
            _err_json({"error": error.key, "detail": self.say(error.key, **error.arguments)})
        else:
            _err().print(Text(self.say(error.key, **error.arguments)))

    def _show_problem(self, error: Refused) -> None:
        if self.as_json:
            _err_json(dict(error.document) or {"status": error.status})
            return
        document = error.document
        screen = _err()
        screen.print(Text(clean(document.get("detail") or self.say(error.key, **error.arguments))))
        for item in _mappings(document.get("errors")):
            screen.print(Text(f"  {clean(item.get('field'))}: {clean(item.get('message'))}"))
        if document.get("choices"):
            screen.print(
                Text("  " + self.say("refused.choices", choices=", ".join(_texts(document["choices"]))))
            )
        if document.get("next"):
            screen.print(Text("→ " + clean(document["next"])))

    def _cell(self, value: object) -> str:
        if isinstance(value, bool):
            return self.say("yes" if value else "no")
        if value is None:
            return "–"
        if isinstance(value, (list, tuple, set, frozenset)):
            return ", ".join(clean(item) for item in value) or "–"
        return clean(value)


def clean(value: object) -> str:
    """Return *value* as text that can do nothing to a terminal: it may come from a device or a stranger."""
    return neutralise(str(value if value is not None else ""))


def moment(text: object) -> str | None:
    """Return an ISO 8601 instant of the API on this machine's clock, to the second, with its offset; None for none."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return text


def desk_for(wish: str | None) -> Desk:
    """Return the desk of this process, in the language of *wish* or of its locale."""
    return Desk(os.environ, language_of(os.environ, wish))


def _out() -> Console:
    return Console(
        file=sys.stdout, highlight=False, emoji=False, markup=False, soft_wrap=not sys.stdout.isatty()
    )


def _err() -> Console:
    return Console(file=sys.stderr, highlight=False, emoji=False, markup=False, soft_wrap=True)


def _err_json(document: Mapping[str, Any]) -> None:
    sys.stderr.write(json.dumps(document, ensure_ascii=True, default=str) + "\n")


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
