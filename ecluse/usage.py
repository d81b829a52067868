"""The help of every command, and the frame of what is said of wrong usage, in the language of the screen.

The English of a command's help stands beside its code, as its docstring and the helps of its options. The French stands
in ``locales/fr/help.po``, a paragraph an entry, found by the English paragraph itself (ADR 57).
"""

import os
import re
from collections.abc import Callable
from copy import copy
from functools import cache, partial
from typing import Final, TypeVar

import typer
from typer._click.core import Command, Context, Parameter
from typer._click.formatting import HelpFormatter
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typing_extensions import override

from ecluse.desk import Desk, language_of
from policy import i18n
from policy.domain.people import Language

EXAMPLE: Final = "Example: "
"""How a paragraph begins that is typed, and so the same in both languages but for this word."""

_Thing = TypeVar("_Thing", bound=Command | Parameter)
_KINDS: Final = {
    "bool": "oui|non",
    "float range": "nombre",
    "float": "nombre",
    "int range": "entier",
    "int": "entier",
    "path": "chemin",
    "Path": "chemin",
    "str": "texte",
}
_TYPES: Final = re.compile(rf"(?<=[<\[|])(?:{'|'.join(_KINDS)})(?=[]>|])")
_SEVERAL: Final = re.compile(r"list\[(\w+)\]")
_BREAK: Final = re.compile(r"\n\s*\n")
_FRAME: Final = (
    "ARGUMENTS_PANEL_TITLE",
    "OPTIONS_PANEL_TITLE",
    "COMMANDS_PANEL_TITLE",
    "ERRORS_PANEL_TITLE",
    "ABORTED_TEXT",
    "RICH_HELP",
    "DEFAULT_STRING",
    "REQUIRED_LONG_STRING",
)


class _Spoken(Command):
    @override
    def format_usage(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the line that says how it is typed."""
        prefix = f"{told('Usage:', language_of_screen(ctx))} "
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)), prefix=prefix)

    @override
    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the whole help, of a group with a line for each command below."""
        frame(language_of_screen(ctx))
        shown = _spoken(self, ctx)
        if isinstance(shown, TyperGroup):
            shown.commands = {name: _spoken(command, ctx) for name, command in shown.commands.items()}
        super(_Spoken, shown).format_help(ctx, formatter)

    @override
    def get_help_option(self, ctx: Context) -> TyperOption | None:
        """Return ``--help`` itself."""
        option = super().get_help_option(ctx)
        return None if option is None else _spoken(option, ctx)


class Verb(_Spoken, TyperCommand):
    """A command whose help is in the language of the screen."""


class Noun(_Spoken, TyperGroup):
    """A group of commands whose help is in the language of the screen."""


def spoken_below(app: typer.Typer) -> None:
    """Have every command and group of *app*, however deep, show its help in the language of the screen."""
    for command in app.registered_commands:
        command.cls = Verb
    for group in app.registered_groups:
        group.cls = Noun
        if group.typer_instance is not None:
            spoken_below(group.typer_instance)


def language_of_screen(context: Context) -> str:
    """Return ``fr`` or ``en``: as ``--lang`` says, else the locale."""
    root = context.find_root()
    if isinstance(root.obj, Desk):
        return root.obj.language
    return language_of(os.environ, root.params.get("lang"))


def frame(language: str) -> None:
    """Have Typer's own titles and hints be in *language*, in this process."""
    from typer import rich_utils

    for name, english in _english_frame().items():
        setattr(rich_utils, name, told(english, language))


def told(text: str, language: str) -> str:
    """Return the *text* of a help in *language*; a paragraph that the catalogue does not know stays English."""
    if language != Language.FRENCH:
        return text
    return "\n\n".join(map(_paragraph, _BREAK.split(text)))


def paragraphs(text: str) -> list[str]:
    """Return what of the *text* of a help the catalogue must know: its paragraphs, each on one line, no example."""
    flat = (" ".join(paragraph.split()) for paragraph in _BREAK.split(text))
    return [paragraph for paragraph in flat if paragraph and not paragraph.startswith((EXAMPLE, "ecluse "))]


def _paragraph(english: str) -> str:
    if english.startswith(EXAMPLE):
        return f"Exemple : {english.removeprefix(EXAMPLE)}"
    return _french().get(" ".join(english.split()), english)


@cache
def _french() -> dict[str, str]:
    return dict(i18n.read("ecluse", Language.FRENCH, "help.po"))


@cache
def _english_frame() -> dict[str, str]:
    from typer import rich_utils

    return {name: getattr(rich_utils, name) for name in _FRAME}


def _typed(english: Callable[..., str | None], ctx: Context) -> str | None:
    """Return the type of an option as Typer's help shows it, in French; a switch takes none."""
    shown = english(ctx=ctx)
    if not shown or shown == "<bool>":
        return None
    return _TYPES.sub(lambda found: _KINDS[found[0]], _SEVERAL.sub(r"\1", shown))


def _spoken(thing: _Thing, ctx: Context) -> _Thing:
    """Return *thing*, or what says the same in French: a copy, for another run in this process may be in English."""
    language = language_of_screen(ctx)
    if language != Language.FRENCH:
        return thing
    shown = copy(thing)
    for name in ("help", "short_help", "epilog"):
        if getattr(shown, name, None):
            setattr(shown, name, told(getattr(shown, name), language))
    if isinstance(shown, TyperOption | TyperArgument):
        # an attribute of this copy alone, for Typer names types in English and has no place to say them in another language
        vars(shown)["display_type_rich"] = partial(_typed, shown.display_type_rich)
    if isinstance(shown, Command):
        shown.params = [_spoken(parameter, ctx) for parameter in shown.params]
    return shown
