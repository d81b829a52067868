"""``ask``, ``withdraw`` and ``extend``: what she asks for goes to the hospital's planner, who answers."""

import re
from typing import Final

from gateway.errors import CommandMisused
from gateway.server.commands import moments
from gateway.server.commands.caller import Caller
from gateway.server.commands.line import Shape, Typed
from gateway.server.commands.result import CommandResult, as_json, as_lines
from gateway.server.commands.voice import Voice
from policy.clock import Clock
from policy.domain.interventions import InterventionKind
from policy.domain.windows import Channel
from policy.errors import Conflict, InvalidInput, RequestRefused
from policy.services.requests import RequestService

_DIGITS = re.compile(r"[0-9a-f]{4,32}")

KINDS: Final = {kind.value.removeprefix("remote_"): kind for kind in InterventionKind}
_FROM_FOLD, _TO_FOLD = "--from-fold", "--to-fold"

ASK: Final = Shape(
    name="ask",
    places=("device",),
    needed=("--from", "--to", "--why"),
    may=("--kind", "--channels", "--account", _FROM_FOLD, _TO_FOLD),
)
WITHDRAW: Final = Shape(name="withdraw", places=("request",))
EXTEND: Final = Shape(name="extend", places=("minutes",), more=("device",), needed=("--why",))


class AskCommand:
    """``ask DEVICE --from … --to … --why …``: the four questions (S08), one an option."""

    shape = ASK

    def __init__(self, requests: RequestService, voice: Voice, clock: Clock) -> None:
        """Ask *requests*; times are read around the instant that *clock* tells."""
        self._requests = requests
        self._voice = voice
        self._clock = clock

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Hand the request to the planner. Raises CommandMisused, PolicyUnavailable."""
        person, voice, options = caller.person, self._voice, typed.options
        kind = KINDS.get(options.get("--kind", "maintenance"))
        if kind is None:
            raise CommandMisused("command.choice", ASK.name, option="--kind", choices=tuple(KINDS))
        start, end = moments.span(
            options["--from"],
            options["--to"],
            start_fold=options.get(_FROM_FOLD),
            end_fold=options.get(_TO_FOLD),
            timezone=voice.hospital.timezone,
            now=self._clock.now(),
        )
        try:
            window = await self._requests.ask(
                person.id,
                voice.hospital.id,
                device_name=typed.places["device"],
                kind=kind,
                purpose=options["--why"],
                start=start,
                end=end,
                channels=_channels(options.get("--channels", Channel.SHELL.value)),
                account=options.get("--account"),
            )
        except RequestRefused as refused:
            return voice.refusal(person, [refused.finding], json=typed.as_json)
        except InvalidInput as invalid:
            raise _misused(invalid, ASK.name) from None
        occurrence = window.occurrences[0]
        if typed.as_json:
            return as_json(
                {
                    "id": window.id,
                    "state": window.state.value,
                    "start": occurrence.start.isoformat(),
                    "end": occurrence.end.isoformat(),
                    "channels": sorted(window.channels),
                }
            )
        return as_lines(
            [
                voice.say(person, "ask.done", id=window.id[:8], device=typed.places["device"]),
                voice.say(person, "ask.when", start=occurrence.start, end=occurrence.end),
                voice.say(person, "ask.what", purpose=window.purpose, channels=window.channels, kind=kind),
                voice.say(person, "ask.next"),
                voice.contact(person),
            ]
        )


class WithdrawCommand:
    """``withdraw ID``."""

    shape = WITHDRAW

    def __init__(self, requests: RequestService, voice: Voice) -> None:
        """Ask *requests*."""
        self._requests = requests
        self._voice = voice

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Take a request back. Raises CommandMisused, PolicyUnavailable."""
        person, voice = caller.person, self._voice
        digits = typed.places["request"].lower()
        if _DIGITS.fullmatch(digits) is None:
            raise CommandMisused("command.place-request", WITHDRAW.name)
        try:
            window = await self._requests.withdraw(person.id, voice.hospital.id, digits=digits)
        except RequestRefused as refused:
            return voice.refusal(person, [refused.finding], json=typed.as_json)
        except Conflict:
            raise CommandMisused("command.answered", WITHDRAW.name) from None
        if typed.as_json:
            return as_json({"id": window.id, "state": window.state.value})
        return as_lines([voice.say(person, "withdraw.done", id=window.id[:8])])


class ExtendCommand:
    """``extend MINUTES [DEVICE] --why …``."""

    shape = EXTEND

    def __init__(self, requests: RequestService, voice: Voice) -> None:
        """Ask *requests*."""
        self._requests = requests
        self._voice = voice

    async def run(self, caller: Caller, typed: Typed) -> CommandResult:
        """Hand the request to the planner. Raises CommandMisused, PolicyUnavailable."""
        person, voice = caller.person, self._voice
        length = moments.length(typed.places["minutes"], "MINUTES")
        try:
            asked = await self._requests.extend(
                person.id,
                voice.hospital.id,
                length=length,
                reason=typed.options["--why"],
                device_name=typed.places.get("device"),
            )
        except RequestRefused as refused:
            return voice.refusal(person, [refused.finding], json=typed.as_json)
        except InvalidInput as invalid:
            raise _misused(invalid, EXTEND.name) from None
        end = asked.extension.end
        if typed.as_json:
            return as_json(
                {"id": asked.extension.id, "until": end.isoformat(), "devices": list(asked.devices)}
            )
        return as_lines(
            [
                voice.say(person, "extend.done", id=asked.extension.id[:8], devices=asked.devices, end=end),
                voice.say(person, "extend.next" if asked.inside else "extend.next-read"),
                voice.contact(person),
            ]
        )


def _channels(text: str) -> list[Channel]:
    names = [name for name in text.replace(",", " ").split() if name]
    try:
        return [Channel(name) for name in names]
    except ValueError:
        choices = tuple(channel.value for channel in Channel)
        raise CommandMisused("command.choice", ASK.name, option="--channels", choices=choices) from None


def _misused(invalid: InvalidInput, command: str) -> CommandMisused:
    """Say in her language what policy refuses of the words typed: a text, or an account's name."""
    if invalid.field == "account":
        return CommandMisused("command.account", command)
    return CommandMisused("command.text", command, option="--why")
