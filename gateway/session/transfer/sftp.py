"""SFTP version 3 read in passing: every operation noted, every direction enforced, nothing else let through.

A frame is passed on only when the whole of it has been checked, so that at most one partial frame a
direction is held. The device is as suspect as the client: an answer that nobody asked for, of the wrong
kind or longer than was asked ends the channel.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.session.transfer.digest import ReorderBudget
from gateway.session.transfer.operation import Direction, FileOperation, Phase, shown_name
from gateway.session.transfer.sftp_files import OpenFile
from gateway.session.transfer.sftp_requests import (
    DOWN,
    EXTENSIONS,
    NOTHING,
    UP,
    Request,
    read_request,
    request_id,
)
from gateway.session.transfer.sftp_wire import (
    MAX_FRAME,
    Fields,
    FrameSplitter,
    Packet,
    SftpViolation,
    Status,
    frame,
    status_frame,
    status_name,
    string,
    u32,
    u64,
)
from policy.domain.windows import Channel

VERSION = 3
MAX_OPEN_FILES = 1024
MAX_REQUESTS = 4096
"""Requests with names that may wait for their answer."""
MAX_TRANSFERS = 131072
"""Reads and writes that may wait: some clients ask for a whole file at once, as far as SSH windows let them."""
_MAX_HANDLE = 256
_OPENS = frozenset({Packet.OPEN, Packet.OPENDIR})

_ANSWERS: dict[int, frozenset[int]] = {
    Packet.OPEN: frozenset({Packet.HANDLE}),
    Packet.OPENDIR: frozenset({Packet.HANDLE}),
    Packet.READ: frozenset({Packet.DATA}),
    Packet.READDIR: frozenset({Packet.NAME}),
    Packet.REALPATH: frozenset({Packet.NAME}),
    Packet.READLINK: frozenset({Packet.NAME}),
    Packet.STAT: frozenset({Packet.ATTRS}),
    Packet.LSTAT: frozenset({Packet.ATTRS}),
    Packet.FSTAT: frozenset({Packet.ATTRS}),
    Packet.EXTENDED: frozenset({Packet.EXTENDED_REPLY, Packet.NAME}),
}
"""What may answer a request, beside a STATUS."""


@dataclass(slots=True)
class _Waiting:
    """A request passed on, until its answer comes."""

    type: int
    file: OpenFile | None
    handle: bytes | None = None
    offset: int = 0
    length: int = 0
    open_flags: int = 0
    operation: FileOperation | None = None
    extension: bytes = b""


class SftpTap:
    """Stands between the two legs of one sftp channel.

    ``on_operation`` is called with each FileOperation before the bytes it is about are given out. Every
    method may raise SftpViolation, after which the tap passes nothing more.
    """

    def __init__(
        self,
        channels: frozenset[Channel],
        on_operation: Callable[[FileOperation], None],
        on_refused: Callable[[Channel], None] | None = None,
        refusal: str = "Refusé par la passerelle / Refused by the gateway",
    ) -> None:
        """Hold to the directions in *channels*; *refusal* is the text a denied request is answered with.

        Clients keep that text to themselves, so *on_refused* is called once for each direction that was denied.
        """
        self._channels = channels
        self._note = on_operation
        self._tell = on_refused
        self._told: set[Channel] = set()
        self._refusal = refusal
        self._budget = ReorderBudget()
        self._client = FrameSplitter()
        self._device = FrameSplitter()
        self._to_device: list[bytes] = []
        self._to_client: list[bytes] = []
        self._waiting: dict[int, _Waiting] = {}
        self._transfers = 0
        self._opening = 0
        self._files: dict[bytes, OpenFile] = {}
        self._asked_version = False
        self._agreed = False
        self._violation: str | None = None

    def from_client(self, data: bytes) -> tuple[bytes, bytes]:
        """Take *data* from the client; return the bytes for the device and the bytes back to the client."""
        self._guarded(self._client, data, self._from_client)
        return self._taken(self._to_device), self._taken(self._to_client)

    def from_device(self, data: bytes) -> bytes:
        """Take *data* from the device; return the bytes for the client."""
        self._guarded(self._device, data, self._from_device)
        return self._taken(self._to_client)

    def end(self) -> None:
        """Note what was still under way when the channel closed; to be called once."""
        for waiting in self._waiting.values():
            if waiting.operation is not None:
                self._done(waiting.operation, "unfinished")
        for file in self._files.values():
            if not file.directory:
                self._note_all(file, "unfinished")
        self._waiting.clear()
        self._files.clear()

    def _guarded(self, splitter: FrameSplitter, data: bytes, handle: Callable[[bytes], None]) -> None:
        if self._violation is not None:
            raise SftpViolation(self._violation)
        try:
            for packet in splitter.feed(data):
                handle(packet)
        except SftpViolation as violation:
            self._violation = str(violation)
            self._to_device.clear()
            self._to_client.clear()
            raise

    @staticmethod
    def _taken(frames: list[bytes]) -> bytes:
        data = frames[0] if len(frames) == 1 else b"".join(frames)
        frames.clear()
        return data

    # --- what the client asks -------------------------------------------------------------------------

    def _from_client(self, packet: bytes) -> None:
        if packet[4] == Packet.INIT:
            self._init(packet)
            return
        if not self._asked_version:
            raise SftpViolation("the client did not begin with its version")
        request = read_request(packet)
        if request is None:
            self._answer(request_id(packet), Status.OP_UNSUPPORTED)
            return
        if request.id in self._waiting:
            raise SftpViolation("the client used the number of a request that waits")
        if not request.names_sound:
            self._answer(request.id, Status.BAD_MESSAGE)
            return
        waiting = self._examine(request)
        if waiting is None:
            return
        if request.type in {Packet.READ, Packet.WRITE}:
            self._transfers += 1
        if self._transfers > MAX_TRANSFERS or len(self._waiting) - self._transfers >= MAX_REQUESTS:
            raise SftpViolation("too many requests wait for an answer")
        self._waiting[request.id] = waiting
        self._to_device.append(packet)

    def _init(self, packet: bytes) -> None:
        if self._asked_version:
            raise SftpViolation("the client gave its version twice")
        if Fields(packet, 5).u32() < VERSION:
            raise SftpViolation("the client speaks a version of SFTP older than 3")
        self._asked_version = True
        self._to_device.append(frame(Packet.INIT, u32(VERSION)))

    def _examine(self, request: Request) -> _Waiting | None:
        """Answer *request* here and return None, or note it and return what its answer will complete."""
        file = second = None
        if request.handle is not None:
            file = self._held(request.handle)
            if file is None:
                self._answer(request.id, Status.FAILURE)
                return None
        if request.second_handle is not None:
            second = self._held(request.second_handle)
            if second is None:
                self._answer(request.id, Status.FAILURE)
                return None
        if not request.needs <= self._channels or not self._channels & (UP | DOWN):
            self._refuse(request, file, second)
            return None
        if file is not None and not self._content(request, file):
            return None
        if second is not None:
            second.overwritten()
        if request.type in _OPENS:
            if len(self._files) + self._opening >= MAX_OPEN_FILES:
                self._answer(request.id, Status.FAILURE)
                return None
            self._opening += 1
        operation = _described(request, file, second) if request.op else None
        if operation is not None and request.needs & UP:
            self._note(operation)
        return _Waiting(
            request.type,
            file,
            request.handle,
            request.offset,
            request.length,
            request.open_flags,
            operation,
            request.extension,
        )

    def _content(self, request: Request, file: OpenFile) -> bool:
        """Hold an open file to what it was opened for, and follow what passes through it."""
        if request.type == Packet.READ and not file.readable:
            self._refuse_content(request, file, Direction.DOWN)
            return False
        if request.type == Packet.WRITE and not file.writable:
            self._refuse_content(request, file, Direction.UP)
            return False
        if request.data is not None:
            file.sent(request.offset, request.data)
        elif request.new_size is not None:
            file.resized(request.new_size)
        elif request.type == Packet.CLOSE:
            file.closing = True
        return True

    def _held(self, handle: bytes) -> OpenFile | None:
        file = self._files.get(handle)
        return None if file is None or file.closing else file

    def _refuse(self, request: Request, file: OpenFile | None, second: OpenFile | None) -> None:
        if request.op:
            operation = _described(request, file, second)
            self._note(_with(operation, Phase.REFUSED, "refused"))
        for channel in request.needs - self._channels - self._told:
            self._told.add(channel)
            if self._tell is not None:
                self._tell(channel)
        self._answer(request.id, Status.PERMISSION_DENIED)

    def _refuse_content(self, request: Request, file: OpenFile, direction: Direction) -> None:
        if not file.refusal_noted:
            file.refusal_noted = True
            op = "read" if direction is Direction.DOWN else "write"
            self._note(
                FileOperation(
                    op=op, phase=Phase.REFUSED, path=file.path, direction=direction, result="refused"
                )
            )
        self._answer(request.id, Status.PERMISSION_DENIED)

    def _answer(self, number: int, status: Status) -> None:
        text = self._refusal if status is Status.PERMISSION_DENIED else status_name(status)
        self._to_client.append(status_frame(number, status, text))

    # --- what the device answers ----------------------------------------------------------------------

    def _from_device(self, packet: bytes) -> None:
        kind = packet[4]
        if kind == Packet.VERSION or not self._agreed:
            self._version(packet)
            return
        fields = Fields(packet, 5)
        number = fields.u32()
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            raise SftpViolation("the device answered a request that nobody made")
        if waiting.type in {Packet.READ, Packet.WRITE}:
            self._transfers -= 1
        elif waiting.type in _OPENS:
            self._opening -= 1
        if kind != Packet.STATUS and kind not in _ANSWERS.get(waiting.type, frozenset()):
            raise SftpViolation("the device's answer is of another kind than the request")
        result = "ok"
        if kind == Packet.STATUS:
            result = status_name(fields.u32())
        elif kind == Packet.DATA:
            self._data(waiting, fields)
        elif kind == Packet.HANDLE:
            self._opened(waiting, fields)
        elif kind == Packet.EXTENDED_REPLY and waiting.extension == b"limits@openssh.com":
            packet = _limits(number, fields)
        self._settle(waiting, result)
        self._to_client.append(packet)

    def _settle(self, waiting: _Waiting, result: str) -> None:
        file = waiting.file
        if waiting.operation is not None:
            self._done(waiting.operation, result)
        elif waiting.type == Packet.CLOSE and waiting.handle is not None and file is not None:
            self._files.pop(waiting.handle, None)
            if not file.directory:
                self._note_all(file, result)
        elif waiting.type == Packet.READ and file is not None and result == "eof":
            file.saw_end = True
        elif waiting.type in {Packet.READ, Packet.WRITE} and file is not None and result != "ok":
            file.failure = file.failure or result

    def _version(self, packet: bytes) -> None:
        if packet[4] != Packet.VERSION or self._agreed or not self._asked_version:
            raise SftpViolation("the device did not begin with its version, once, when asked")
        fields = Fields(packet, 5)
        if fields.u32() != VERSION:
            raise SftpViolation("the device answered with another version of SFTP than 3")
        body = u32(VERSION)
        while fields.left:
            name, value = fields.string(), fields.string()
            if name in EXTENSIONS:
                body += string(name) + string(value)
        self._agreed = True
        self._to_client.append(frame(Packet.VERSION, body))

    @staticmethod
    def _data(waiting: _Waiting, fields: Fields) -> None:
        data = fields.data()
        if len(data) > waiting.length or fields.left:
            raise SftpViolation("the device sent more than was asked for")
        if waiting.file is not None:
            waiting.file.received(waiting.offset, data)

    def _opened(self, waiting: _Waiting, fields: Fields) -> None:
        handle = fields.string()
        if not handle or len(handle) > _MAX_HANDLE or handle in self._files:
            raise SftpViolation("the device gave a handle that is in use or none at all")
        self._files[handle] = OpenFile(
            waiting.operation.path if waiting.operation is not None else "",
            directory=waiting.type == Packet.OPENDIR,
            flags=waiting.open_flags,
            budget=self._budget,
        )

    # --- what is noted --------------------------------------------------------------------------------

    def _done(self, operation: FileOperation, result: str) -> None:
        self._note(_with(operation, Phase.DONE, result))

    def _note_all(self, file: OpenFile, result: str) -> None:
        for record in file.records(result):
            self._note(record)


def _described(request: Request, file: OpenFile | None, second: OpenFile | None) -> FileOperation:
    target = request.target
    shown_target = second.path if second is not None else shown_name(target) if target is not None else None
    return FileOperation(
        op=request.op,
        phase=Phase.ASKED,
        path=file.path if file is not None else shown_name(request.path),
        target=shown_target,
        size=request.new_size,
        direction=_direction(request.needs),
    )


def _with(operation: FileOperation, phase: Phase, result: str) -> FileOperation:
    return FileOperation(
        op=operation.op,
        phase=phase,
        path=operation.path,
        target=operation.target,
        size=operation.size,
        direction=operation.direction,
        result=result,
    )


def _direction(needs: frozenset[Channel]) -> Direction | None:
    if needs == NOTHING:
        return None
    if needs == UP | DOWN:
        return Direction.BOTH
    return Direction.UP if needs == UP else Direction.DOWN


def _limits(number: int, fields: Fields) -> bytes:
    """Hold the device's limits (packet, read, write, open files) to those of this tap; 0 meant none."""
    packet, read, write, files = (fields.u64() for _ in range(4))
    ours = (MAX_FRAME, MAX_FRAME - 1024, MAX_FRAME - 1024, MAX_OPEN_FILES)
    held = [min(theirs or own, own) for theirs, own in zip((packet, read, write, files), ours, strict=True)]
    return frame(Packet.EXTENDED_REPLY, u32(number) + b"".join(map(u64, held)))
