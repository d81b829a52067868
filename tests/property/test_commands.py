"""Whatever command may pass without the right to exec holds no surprise for a real shell."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.session.transfer.command import FILES, Allowed, classify

_PIECES = [
    "scp", "rsync", "-t", "-f", "-r", "--", "-", "--server", "--sender", "-logDtpre.iLsfxCIvu", "--delete", ".", "/x",
    "a", " ", "  ", "\t", "\n", "\r", "\0", ";", "|", "&", "$", "`", "$(", ")", "<", ">", "{", "}", ",", "*", "?", "[",
    "]", "!", "#", "~", "\\", "'", '"', "=", "%", "^", "@", ":", "+", "é", "\u00a0", "\u2028", "$IFS", "--log-format=%i",
]  # fmt: skip
_plain = st.text(alphabet="abAZ09_./:@%+,=-~^", min_size=1, max_size=8)
_commands = st.one_of(
    st.lists(_plain, min_size=1, max_size=3).map(lambda paths: f"scp -f {' '.join(paths)}"),
    st.lists(_plain, min_size=1, max_size=3).map(
        lambda paths: f"rsync --server --sender -re.iLsfxCIvu . {' '.join(paths)}"
    ),
    st.lists(st.sampled_from(_PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(_PIECES), max_size=12).map(" ".join),
    st.text(max_size=12).map(lambda path: f"scp -t {path}"),
    st.text(max_size=12).map(lambda path: f"rsync --server -re.iLsfxCIvu . {path}"),
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("shell", ["sh", "bash"])
@settings(max_examples=250)
@given(command=_commands)
def test_a_shell_reads_exactly_the_arguments_that_were_judged(shell: str, command: bytes) -> None:
    """The device's shell splits an allowed command into the very arguments that were judged."""
    answer = classify(command, FILES)
    if not isinstance(answer, Allowed):
        return
    line = b"printf '%s\\0' " + command
    read = subprocess.run([shell, "-c", line], capture_output=True, timeout=60, check=True, cwd="/usr")
    assert tuple(read.stdout.decode("ascii").split("\0")[:-1]) == answer.argv
    assert not read.stderr


@settings(max_examples=300)
@given(command=st.binary(max_size=200))
def test_any_bytes_get_an_answer(command: bytes) -> None:
    """No command, however odd, makes the judgement fail."""
    answer = classify(command, FILES)
    assert isinstance(answer, Allowed) is (getattr(answer, "argv", ()) != ())
