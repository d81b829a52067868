"""The small parts a session is made of: idle meter, valve, lane, environment, names of a request."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import HostKeyChanged
from gateway.session.channels import Plan, plan
from gateway.session.idle import IdleMeter
from gateway.session.lane import HIGH_WATER, Lane
from gateway.session.request import ChannelRequest, variable_allowed
from gateway.session.transfer.command import Refused
from gateway.session.valve import Valve
from gateway.target.dial import pinned
from policy.domain.access import Obligations
from policy.domain.windows import Channel
from recorder.errors import RecordingFailed
from recorder.trace.frames import FrameType

MINUTE = timedelta(minutes=1)
END = datetime(2026, 3, 17, 12, 0, tzinfo=UTC)


def duties(*, output_counts: bool = False, ceiling: timedelta | None = None) -> Obligations:
    """Obligations with an idle limit of two minutes."""
    return Obligations(
        idle_limit=2 * MINUTE,
        output_counts=output_counts,
        output_ceiling=ceiling,
        hard_end=END,
        channels=frozenset(Channel),
    )


def test_output_alone_does_not_keep_a_terminal_alive() -> None:
    """Only keystrokes are life, unless the planner lets output count."""
    meter = IdleMeter(0)
    meter.output(100)
    assert meter.remaining(120, duties()) == timedelta(0)
    meter.life(110)
    assert meter.remaining(120, duties()) == timedelta(seconds=110)


def test_output_counts_up_to_the_ceiling() -> None:
    """Where output counts, it does for the ceiling after the last keystroke, and not a second longer."""
    meter = IdleMeter(0)
    for instant in range(0, 400, 10):
        meter.output(instant)
    allowed = duties(output_counts=True, ceiling=5 * MINUTE)
    assert meter.remaining(400, allowed) == timedelta(seconds=20)
    assert meter.remaining(420, allowed) == timedelta(0)


def test_a_valve_is_open_only_without_a_reason() -> None:
    """The flow pauses at the first reason and resumes after the last, in whatever order they go."""
    told: list[str] = []
    valve = Valve(lambda: told.append("pause"), lambda: told.append("resume"))
    valve.hold("window")
    valve.hold("transport")
    valve.hold("window")
    valve.release("window")
    valve.release("nobody")
    assert (told, valve.held) == (["pause"], True)
    valve.apply()
    valve.release("transport")
    assert told == ["pause", "pause", "resume"]


class Tape:
    """A recording whose writes are done when the test says so."""

    pending_bytes = 0

    def __init__(self) -> None:
        self.thens: list[Callable[[], None]] = []
        self.broken = False

    def record(
        self,
        type: FrameType,  # noqa: A002 - the word of the format
        channel: int,
        payload: bytes,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Keep *then* for later."""
        del type, channel, payload
        if self.broken:
            raise RecordingFailed("no more")
        assert then is not None
        self.thens.append(then)

    def fail(self, error: Exception) -> None:
        """Take no more."""
        del error
        self.broken = True

    async def close(self, reason: str, **details: object) -> None:
        """Nothing to close."""

    def write(self) -> None:
        """Let the oldest frame be written."""
        self.thens.pop(0)()


def test_nothing_passes_before_it_is_written_and_nothing_overtakes() -> None:
    """A forward waits for its own frames and for everything before it, even where it has no frame itself."""
    tape, passed = Tape(), list[str]()
    lane = Lane(tape, 1, Valve(lambda: None, lambda: None))
    lane.pass_on([], lambda: passed.append("free"))
    lane.pass_on([(FrameType.FILE, b"{}"), (FrameType.OUTPUT, b"a")], lambda: passed.append("a"))
    lane.pass_on([], lambda: passed.append("after a"))
    lane.pass_on([(FrameType.OUTPUT, b"b")], lambda: passed.append("b"))
    assert passed == ["free"]
    tape.write()
    assert passed == ["free"]
    tape.write()
    assert passed == ["free", "a", "after a"]
    tape.write()
    assert passed == ["free", "a", "after a", "b"]


def test_a_lane_holds_its_valve_while_the_disk_is_behind() -> None:
    """Beyond the high water the direction is held; it flows again when little waits."""
    tape, told = Tape(), list[str]()
    lane = Lane(tape, 1, Valve(lambda: told.append("pause"), lambda: told.append("resume")))
    piece = b"x" * 32768
    while not told:
        lane.pass_on([(FrameType.OUTPUT, piece)], lambda: None, len(piece))
    assert len(tape.thens) * len(piece) <= HIGH_WATER + len(piece)
    while tape.thens:
        tape.write()
    assert told == ["pause", "resume"]


def test_after_a_failed_recording_nothing_passes() -> None:
    """What cannot be recorded is dropped, and so is what waited behind it."""
    tape, passed = Tape(), list[str]()
    lane = Lane(tape, 1, Valve(lambda: None, lambda: None))
    lane.pass_on([(FrameType.OUTPUT, b"a")], lambda: passed.append("a"))
    tape.broken = True
    lane.pass_on([(FrameType.OUTPUT, b"b")], lambda: passed.append("b"))
    tape.write()
    assert passed == []


@pytest.mark.parametrize("name", [b"LD_PRELOAD", b"PATH", b"BASH_ENV", b"lc_all", b"LANG\n", b"XLC_ALL", b""])
def test_other_variables_are_not_passed_on(name: bytes) -> None:
    """Only the variables of language and terminal pass."""
    assert variable_allowed(b"LC_ALL")
    assert variable_allowed(b"LANG")
    assert not variable_allowed(name)


@pytest.mark.parametrize("lines", [(), ("ssh-ed25519 notakey",), ("",)])
def test_without_a_pinned_key_nothing_is_dialled(lines: tuple[str, ...]) -> None:
    """No pinned key, or one that cannot be read, is refused: an empty list would mean ~/.ssh/known_hosts."""
    with pytest.raises(HostKeyChanged):
        pinned(lines)


def asked(kind: str, argument: bytes = b"") -> ChannelRequest:
    """A request without terminal."""
    assert kind in {"shell", "exec", "subsystem"}
    return ChannelRequest(kind=kind, argument=argument, pty=None, environment={})  # type: ignore[arg-type]  # checked


@pytest.mark.parametrize("right", list(Channel))
def test_each_channel_needs_its_own_right(right: Channel) -> None:
    """A grant for one channel opens no other."""
    rights = frozenset({right})
    opens = {
        Channel.SHELL: asked("shell"),
        Channel.EXEC: asked("exec", b"id"),
        Channel.SFTP_UP: asked("exec", b"scp -t /tmp"),
        Channel.SFTP_DOWN: asked("exec", b"scp -f /tmp/x"),
    }
    for channel, request in opens.items():
        allowed = isinstance(plan(request, rights), Plan)
        assert allowed is (channel is right or (right is Channel.EXEC and request.kind == "exec"))
    assert isinstance(plan(asked("subsystem", b"netconf"), frozenset(Channel)), Refused)
