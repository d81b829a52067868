"""What a command works with: the API, the language, and the screen it writes on."""

import codecs
import json
import locale
import os
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecluse import moments, planning, tables
from ecluse.client import ApiClient
from ecluse.errors import EcluseError, Refused
from ecluse.profile import Profile, load
from ecluse.tables import Column
from policy import i18n
from recorder.replay.neutral import neutralise

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

_CATALOG = i18n.load("ecluse")
_LANGUAGES = ("fr", "en")
PLAINER: Final = "ecluse.plainer"
"""How what an encoding lacks is written in it: so that an old terminal shows a plain letter, and no stack trace."""
_STRAIGHT = str.maketrans(
    {"’": "'", "–": "-", "—": "-", "…": "...", "œ": "oe", "Œ": "Oe", "→": "->", "✓": "+", "✗": "x"}
)


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
        self.options: Mapping[str, str] = {}
        """The option of the command line that each field of the API was typed for."""
        self._client: ApiClient | None = None
        self._zone: ZoneInfo | None = None

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

    @property
    def zone(self) -> ZoneInfo:
        """The hospital's time zone, as the API says it: screens and bare times are on its clock."""
        if self._zone is None:
            self._zone = ZoneInfo(str(self.client.get("/v1/me")["hospital"]["timezone"]))
        return self._zone

    def moment(self, text: object, *, seconds: bool = False) -> str | None:
        """Return one of the API's instants on the hospital's wall clock, to the minute; None for none."""
        return moments.wall(text, self.zone, seconds=seconds) if text is not None else None

    def instant(self, text: str | None, option: str) -> str | None:
        """Return what was typed for *option* as an instant of the API; without offset it is on the hospital's clock.

        Raises typer.BadParameter naming *option*.
        """
        if text is None:
            return None
        found = moments.read(text, option)
        return (found if found.tzinfo is not None else found.replace(tzinfo=self.zone)).isoformat()

    def word(self, prefix: str, value: object, **arguments: object) -> str | None:
        """Return the word for an API's *value* (a state, a kind) under ``prefix.``; itself where there is none."""
        if value is None:
            return None
        key = f"{prefix}.{value}"
        return self.say(key, **arguments) if _CATALOG.knows(key) else str(value)

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

    def question(self, key: str, **arguments: object) -> str:
        """Return the sentence under *key* to prompt with: in letters that the terminal's own encoding can carry.

        What asks in a terminal writes by the locale, where the rest of the screen is UTF-8: under ``C`` an accent
        would come out as octal numbers.
        """
        return plainer(self.say(key, **arguments), locale.getencoding())

    @property
    def colon(self) -> str:
        """The colon between a name and what is said of it, as the desk's language spaces it."""
        return " : " if self.language == "fr" else ": "

    def ask(
        self,
        key: str,
        *,
        hidden: bool = False,
        again: str | None = None,
        default: str | None = None,
        **arguments: object,
    ) -> str:
        """Ask on standard error what the sentence under *key* asks for; *again* is that for typing it once more.

        Where the two differ it is asked anew. Raises typer.Abort where she gives up.
        """
        while True:
            typed = self._typed(self.question(key, **arguments), hidden, default)
            if again is None or self._typed(self.question(again), hidden, default) == typed:
                return typed
            self.note("question.differ")

    def _typed(self, question: str, hidden: bool, default: str | None) -> str:
        if hidden and not sys.stdin.isatty() and not _has_terminal():
            # nothing echoes what no terminal sends: getpass would warn, by a line of Python's, that it may be seen
            return self._read(question)
        return str(
            typer.prompt(
                question,
                default=default,
                show_default=False,
                hide_input=hidden,
                prompt_suffix=self.colon,
                err=True,
            )
        )

    def _read(self, question: str) -> str:
        while True:
            typer.echo(f"{question}{self.colon}", err=True)
            line = sys.stdin.readline()
            if not line:
                raise typer.Abort
            if typed := line.rstrip("\r\n"):
                return typed

    def fresh_code(self) -> str:
        """Ask for a code of one's own, for what must not be done by whoever finds this terminal open."""
        return "".join(self.ask("login.code").split())

    def tell(self, key: str, **arguments: object) -> None:
        """Write one sentence for people; scripts that asked for JSON don't get it."""
        if not self.as_json:
            _out().print(Text(self.say(key, **arguments)))

    def write(self, text: object) -> None:
        """Write *text* on a line of its own, never wrapped: it is there to be copied. Control characters are shown."""
        _out().print(Text(clean(text)), soft_wrap=True)

    def note(self, key: str, **arguments: object) -> None:
        """Write one sentence on standard error, beside what the command prints."""
        _err().print(Text(self.say(key, **arguments)))

    def note_line(self, text: str) -> None:
        """Write a line on standard error; control characters are shown."""
        _err().print(Text(clean(text)))

    def done(self, document: object, key: str, **arguments: object) -> None:
        """End a command: the *document* for scripts, the sentence for people."""
        if self.as_json:
            self.show_json(document)
        else:
            self.tell(key, **arguments)

    def show_json(self, document: object) -> None:
        """Write *document* as JSON. Its control characters are escaped by JSON itself."""
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=True, default=str) + "\n")

    def show_table(
        self,
        columns: Sequence[Column | str],
        rows: Sequence[Sequence[object]],
        document: object,
        *,
        empty: str = "list.empty",
    ) -> None:
        """Write *rows* under *columns* (a bare key wraps), or the *document* they come from as JSON.

        *empty* is the key of what is said where there are none.
        """
        if self.as_json:
            self.show_json(document)
            return
        if not rows:
            self.tell(empty)
            return
        known = [Column(column) if isinstance(column, str) else column for column in columns]
        headings = [(column, self.say(column.key)) for column in known]
        tables.draw(_out(), headings, [[self._cell(value) for value in row] for row in rows])

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
        tables.put(_out(), table)

    def show_error(self, error: EcluseError) -> None:
        """Write why the command failed, on standard error: what, which fields, and the next step."""
        if isinstance(error, Refused):
            self._show_problem(error)
        elif self.as_json:
            _err_json({"error": error.key, "detail": error.said(self.language)})
        else:
            _err().print(Text(error.said(self.language)))

    def _show_problem(self, error: Refused) -> None:
        if self.as_json:
            _err_json(dict(error.document) or {"status": error.status})
            return
        document = error.document
        screen = _err()
        screen.print(Text(clean(document.get("detail") or self.say(error.key, **error.arguments))))
        for item in _mappings(document.get("errors")):
            place = planning.option(str(item.get("field")), self.options)
            screen.print(Text(f"  {clean(place)}{self.colon}{clean(item.get('message'))}"))
        if self.options and str(document.get("type")).endswith(":ambiguous-local-time"):
            screen.print(Text("→ " + self._which(document)))
            return
        if document.get("choices"):
            screen.print(
                Text("  " + self.say("refused.choices", choices=", ".join(_texts(document["choices"]))))
            )
        if document.get("next"):
            screen.print(Text("→ " + clean(document["next"])))

    def _which(self, document: Mapping[str, object]) -> str:
        """Say the option that tells which of two times is meant, or what becomes of one that does not exist."""
        if _texts(document.get("choices")) == ["shift"]:
            return self.say("refused.shift")
        fields = [str(item.get("field")) for item in _mappings(document.get("errors"))]
        places = [planning.option(field, self.options) for field in fields]
        return self.say("refused.fold", option=places[0] if places else "--start")

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


def plainer(text: str, encoding: str) -> str:
    """Return *text* as it is where *encoding* can carry it, else what it cannot in plain letters."""
    try:
        return text.encode(encoding, PLAINER).decode(encoding)
    except LookupError:
        return plainer(text, "ascii")


def _plain(refused: UnicodeError) -> tuple[str, int]:
    if not isinstance(refused, UnicodeEncodeError):
        raise refused
    text = refused.object[refused.start : refused.end]
    straight = re.sub(r"«\s?|\s?»", '"', text).translate(_STRAIGHT)
    letters = (one for one in unicodedata.normalize("NFKD", straight) if not unicodedata.combining(one))
    return "".join(letters).encode("ascii", "replace").decode("ascii"), refused.end


codecs.register_error(PLAINER, _plain)


def desk_for(wish: str | None) -> Desk:
    """Return the desk of this process, in the language of *wish* or of its locale."""
    return Desk(os.environ, language_of(os.environ, wish))


def _out() -> Console:
    piped = not sys.stdout.isatty()
    return Console(
        file=sys.stdout,
        width=tables.PIPE if piped and "COLUMNS" not in os.environ else None,
        highlight=False,
        emoji=False,
        markup=False,
        soft_wrap=piped,
    )


def _err() -> Console:
    return Console(file=sys.stderr, highlight=False, emoji=False, markup=False, soft_wrap=True)


def _err_json(document: Mapping[str, Any]) -> None:
    sys.stderr.write(json.dumps(document, ensure_ascii=True, default=str) + "\n")


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _has_terminal() -> bool:
    """Tell whether somebody may type at a terminal of this process, though its standard input is something else."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
