"""The commands of a person who is logged in and named no device."""

from collections.abc import Sequence
from typing import Final, Protocol

from gateway.errors import CommandMisused
from gateway.server.commands.caller import Caller
from gateway.server.commands.line import Shape, Typed, parse
from gateway.server.commands.result import ALLOWED, UNAVAILABLE, USAGE, CommandResult
from gateway.server.commands.voice import Voice
from policy.domain.people import Person
from policy.errors import PolicyUnavailable

HELP: Final = Shape(name="help", more=("command",), loose=True)


class Command(Protocol):
    """One command. ``shape`` says what it takes."""

    shape: Shape

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Run it for *caller*; raises PolicyUnavailable, CommandMisused."""
        ...


class Commands:
    """Finds the command that a line names, and answers for whatever is wrong with the line."""

    def __init__(self, known: Sequence[Command], voice: Voice) -> None:
        """Offer *known*, in the order in which ``help`` tells them."""
        self._voice = voice
        self._commands = {command.shape.name: command for command in known}
        self._shapes = {**{command.shape.name: command.shape for command in known}, HELP.name: HELP}

    async def run(self, caller: Caller, line: str) -> CommandResult:
        """Run the command *line* as typed, hostile or not; never raises for what is in it."""
        person, name = caller.person, ""
        try:
            typed = parse(line, self._shapes)
            name = typed.name
            if typed.wants_help:
                return CommandResult(ALLOWED, self._help_of(person, typed.name))
            if typed.name == HELP.name:
                return CommandResult(ALLOWED, self._help_of(person, typed.places.get("command", "")))
            return await self._commands[typed.name].run(caller, typed)
        except CommandMisused as misuse:
            return CommandResult(
                USAGE, err="".join(f"{text}\n" for text in self._misuse(person, misuse, name))
            )
        except PolicyUnavailable:
            lines = self._voice.refused(person, "refusal.policy")
            return CommandResult(UNAVAILABLE, err="".join(f"{text}\n" for text in lines))

    def reads(self, line: str) -> bool:
        """Tell whether the command *line* takes what the person sends on standard input."""
        try:
            typed = parse(line, self._shapes)
        except CommandMisused:
            return False
        text = self._shapes[typed.name].text
        return bool(text and typed.places) and not typed.wants_help and text not in typed.options

    def help(self, person: Person) -> str:
        """Return what ``help`` prints for *person*."""
        say = self._voice.say
        lines = [say(person, "help.intro")]
        lines += [f"  {say(person, f'help.{name}')}" for name in self._shapes]
        lines += ["", say(person, "help.more"), say(person, "help.open", login=person.login)]
        return "\n".join([*lines, self._voice.contact(person)]) + "\n"

    def _help_of(self, person: Person, name: str) -> str:
        if name not in self._commands:
            return self.help(person)
        line = self._voice.say(person, f"usage.{name}", login=person.login)
        return f"{line}\n{self._voice.contact(person)}\n"

    def _misuse(self, person: Person, misuse: CommandMisused, name: str) -> list[str]:
        lines = [self._voice.say(person, misuse.key, **misuse.arguments)]
        if name := misuse.command or name:
            usage = self._voice.say(person, f"usage.{name}", login=person.login).splitlines()[0]
            lines.append(f"  {usage}")
            lines.append(self._voice.say(person, "command.see", name=name))
        return [*lines, self._voice.contact(person)]
