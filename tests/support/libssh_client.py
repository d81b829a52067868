"""A client made with libssh, as a program of its own: ``HOST PORT USER KEY|- ANSWER... -- COMMAND``.

It says the command's output, fetches back by sftp what it put there, and ends with the command's status.
"""

import os
import socket
import stat
import sys

from ssh.key import import_privkey_file
from ssh.options import HOST, USER
from ssh.session import SSH_AUTH_INFO, SSH_AUTH_PARTIAL, SSH_AUTH_SUCCESS, Session

_CONTENT = b"carried by libssh\n"


def main() -> int:
    """Log in, run the command, carry a file both ways."""
    host, port, user, key, *rest = sys.argv[1:]
    answers, command = rest[: rest.index("--")], " ".join(rest[rest.index("--") + 1 :])
    connection = socket.create_connection((host, int(port)), timeout=60)
    session = Session()
    session.options_set(HOST, host)
    session.options_set_port(int(port))
    session.options_set(USER, user)
    session.set_socket(connection)
    session.connect()
    if key != "-":
        proved = session.userauth_publickey(import_privkey_file(key))
        if proved != SSH_AUTH_PARTIAL:
            return 90
    waiting = [answer.encode() for answer in answers]
    state = session.userauth_kbdint(user, "")
    while state == SSH_AUTH_INFO:
        for number in range(session.userauth_kbdint_getnprompts()):
            session.userauth_kbdint_setanswer(number, waiting.pop(0))
        state = session.userauth_kbdint(user, "")
    if state != SSH_AUTH_SUCCESS:
        return 91
    status = _command(session, command)
    return status if _file(session) else 92


def _command(session: Session, command: str) -> int:
    channel = session.channel_new()
    channel.open_session()
    channel.request_exec(command)
    while True:
        size, data = channel.read()
        if size <= 0:
            break
        os.write(1, data)
    channel.send_eof()
    while (status := channel.get_exit_status()) < 0:
        channel.poll(timeout=100)
    channel.close()
    return int(status)


def _file(session: Session) -> bool:
    sftp = session.sftp_new()
    sftp.init()
    with sftp.open("libssh.txt", os.O_WRONLY | os.O_CREAT, stat.S_IRUSR | stat.S_IWUSR) as file:
        file.write(_CONTENT)
    with sftp.open("libssh.txt", os.O_RDONLY, 0) as file:
        _, back = file.read()
    return bool(back == _CONTENT)


if __name__ == "__main__":
    sys.exit(main())
