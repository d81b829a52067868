"""Stands in for ssh between a stock client and its server: ``sftp -S``, ``scp -S``, ``rsync -e``.

Classifies the command as the gateway does, runs it by the device's shell, and taps what passes. The
environment says where operations are written (one JSON object a line) and which channels are granted.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from gateway.session.transfer.command import Refused, classify, classify_subsystem
from gateway.session.transfer.operation import FileOperation
from gateway.session.transfer.scp import ScpTap
from gateway.session.transfer.sftp import SftpTap
from policy.domain.windows import Channel

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class _Raw:
    def from_client(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""

    def from_device(self, data: bytes) -> bytes:
        return data

    def end(self) -> None:
        return


def _main() -> int:
    words = sys.argv[1:]
    subsystem = "-s" in words
    while words and words[0].startswith("-") and words[0] != "--":
        if words.pop(0) in {"-o", "-l", "-p", "-F", "-i"}:
            words.pop(0)
    words = words[2:] if words[:1] == ["--"] else words[1:]
    command = " ".join(words)
    channels = frozenset(Channel(name) for name in os.environ["GRANTED"].split(","))
    log = Path(os.environ["OPERATIONS"])
    if subsystem:
        answer = classify_subsystem(command, channels)
        command = SFTP_SERVER
    else:
        answer = classify(command.encode(), channels)
    with log.open("ab", buffering=0) as sink:
        sink.write(repr(answer).encode() + b"\n")
        if isinstance(answer, Refused):
            sys.stderr.write(f"refused: {answer.key}\n")
            return 1

        def note(operation: FileOperation) -> None:
            sink.write(operation.payload() + b"\n")

        tap: SftpTap | ScpTap | _Raw = _Raw()
        if answer.kind == "sftp":
            tap = SftpTap(answer.directions, note)
        elif answer.kind in {"scp-up", "scp-down"}:
            tap = ScpTap(answer.kind, note, answer.argv[-1])
        return _relay(command, tap)


def _relay(command: str, tap: SftpTap | ScpTap | _Raw) -> int:
    lock = threading.Lock()
    with subprocess.Popen(
        ["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        client = threading.Thread(target=_up, args=(server.stdin, tap, lock), daemon=True)
        client.start()
        while data := os.read(server.stdout.fileno(), 65536):
            with lock:
                _write(1, tap.from_device(data))
        status = server.wait()
    with lock:
        tap.end()
    return status


def _up(pipe: IO[bytes], tap: SftpTap | ScpTap | _Raw, lock: threading.Lock) -> None:
    while data := os.read(0, 65536):
        with lock:
            onward, back = tap.from_client(data)
            _write(1, back)
        _write(pipe.fileno(), onward)
    pipe.close()


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    sys.exit(_main())
