"""The one command of the product: its root, and how its refusals reach the screen.

Exit codes: 0 done, 1 refused or failed with one clear sentence, 2 wrong usage.
"""

import io
import os
import sys
from collections.abc import MutableMapping
from importlib.metadata import version as installed_version
from typing import Annotated, Any, cast

from ecluse.loading import loading

with loading():
    import typer
    from typer._click.core import Command
    from typer._click.exceptions import NoArgsIsHelpError, UsageError
    from typing_extensions import override

    from ecluse import logs
    from ecluse.commands import Nouns
    from ecluse.desk import PLAINER, Desk, desk_for, language_of
    from ecluse.errors import EcluseError
    from ecluse.usage import Noun, frame, language_of_screen
    from gateway.errors import GatewayError
    from policy.errors import PolicyError
    from recorder.errors import RecorderError

_FAILED = 1


class Root(Noun):
    """The root command: an error of ours is a sentence and exit code 1, never a stack trace."""

    @override
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # nothing adds to them
        self.commands = cast("MutableMapping[str, Command]", Nouns())

    @override
    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the root's own options."""
        try:
            return super().make_context(*arguments, **options)
        except UsageError as misused:
            raise _translated(misused, language_of(os.environ)) from misused

    @override
    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except EcluseError as refused:
            _show(ctx, refused)
        except (PolicyError, RecorderError, GatewayError) as wrong:
            # late: only the commands that work on this machine's own files raise these
            from ecluse.wording import spoken

            _show(ctx, spoken(wrong, language_of_screen(ctx)))
        except UsageError as misused:
            raise _translated(misused, language_of_screen(ctx)) from misused
        except typer.Abort:  # she gave up at a question: Typer says so
            frame(language_of_screen(ctx))
            raise
        finally:
            if isinstance(ctx.obj, Desk):
                ctx.obj.close()
        raise typer.Exit(_FAILED)


def _translated(misused: UsageError, language: str) -> UsageError:
    """Return what is wrong with the command as it was typed, in *language*."""
    frame(language)
    if language == "en" or isinstance(misused, NoArgsIsHelpError):
        return misused
    from ecluse.wording import usage

    return UsageError(usage(misused.format_message(), language), ctx=misused.ctx)


def _desk(ctx: Any) -> Desk:
    return ctx.obj if isinstance(ctx.obj, Desk) else desk_for(ctx.params.get("lang"))


def _show(ctx: Any, error: EcluseError) -> None:
    for fault in error.faults:
        _desk(ctx).show_error(fault)


app = typer.Typer(
    name="ecluse",
    cls=Root,
    help="Écluse: the lock between suppliers' technicians and the hospital's devices.",
    epilog="Exit status: 0 done, 1 refused or failed (one sentence says why), 2 wrong usage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ecluse {installed_version('ecluse')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang", metavar="fr|en", is_eager=True, help="Language of the screen; by default the locale's."
        ),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Prepare the desk that every command works at."""
    logs.configure("warning", sys.stderr)
    if lang is not None and lang not in ("fr", "en"):
        raise typer.BadParameter("write fr or en", param_hint="--lang")
    context.obj = desk_for(lang)


def run() -> None:
    """Run the command line (the console script)."""
    # what this program writes is its user's alone, databases and traces included
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAINER)
    app()
