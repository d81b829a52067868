"""The files of a demonstration device: its keys, its own account database and its sshd's configuration.

The account exists for this sshd alone. Debian's ``libnss_wrapper`` gives one process a passwd, group and shadow file
of its own, so that a made-up name with a made-up password is checked by an unmodified sshd, as root or as an
ordinary user, and the system's accounts are never read nor written. The account maps to the user who starts the
device, which is the only one that an ordinary user's sshd can serve; root may map it to any number instead, as on
a device of a hospital, where the account is not root's. Only then does sshd honour signals sent over SSH.
"""

import ctypes
import os
import pwd
import re
import secrets
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ecluse.demo.errors import DemoError
from ecluse.demo.leftovers import temporary_folder

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
)
NSS_WRAPPERS = (
    "/usr/lib/*/libnss_wrapper.so*",
    "/usr/lib64/libnss_wrapper.so*",
    "/usr/lib/libnss_wrapper.so*",
)
# Each would end a field of passwd(5), a quoted word of sshd_config(5), or be expanded in one.
UNFIT_IN_PATHS = frozenset(':"%\\\n')


@dataclass(frozen=True)
class DeviceAccount:
    """The dedicated account of a device: its name and what opens it.

    Attributes:
        name: the login name on the device.
        password: its password, or None where only a key opens it.
        private_key: an unencrypted OpenSSH private key (PEM text), or None where only a password opens it.
    """

    name: str
    password: str | None = field(repr=False)
    private_key: str | None = field(repr=False)


@dataclass(frozen=True)
class DeviceFiles:
    """Where a device keeps what; every path is absolute.

    Attributes:
        root: the device's folder.
        uid: the number that the account maps to; None: the one of who starts the device.
        reachable: the folder of what the account itself reads, which lies outside *root* where *uid* is given,
            for the folders above *root* may be closed to that user.
    """

    root: Path
    uid: int | None
    reachable: Path

    @property
    def home(self) -> Path:
        """The home of the dedicated account."""
        return self.reachable / "home"

    @property
    def authorized_keys(self) -> Path:
        """The public half of the account's key."""
        return self.reachable / "authorized_keys"

    @property
    def host_key(self) -> Path:
        """The host's private key; its public half lies beside it."""
        return self.root / "etc" / "host_key"

    @property
    def config(self) -> Path:
        """The sshd_config(5) of this device."""
        return self.root / "etc" / "sshd_config"

    @property
    def log(self) -> Path:
        """What the sshd said on its standard error, over all its starts."""
        return self.root / "sshd.log"

    def environment(self) -> dict[str, str]:
        """Give the variables under which the sshd sees its own accounts and no others.

        Raises DemoError when libnss_wrapper is not installed.
        """
        etc = self.root / "etc"
        return {
            "LD_PRELOAD": str(nss_wrapper()),
            "NSS_WRAPPER_PASSWD": str(etc / "passwd"),
            "NSS_WRAPPER_GROUP": str(etc / "group"),
            "NSS_WRAPPER_SHADOW": str(etc / "shadow"),
        }

    def make_host_key(self) -> str:
        """Generate a host key in place of any earlier one and give its public half (``ssh-ed25519 AAAA...``)."""
        self.host_key.unlink(missing_ok=True)
        private, public = key_pair()
        _write(self.host_key, private)
        _write(self.host_key.with_suffix(".pub"), f"{public}\n")
        return public

    def make_account(self, name: str, device: str) -> DeviceAccount:
        """Write the account database with one account of fresh secrets, and a home for it."""
        etc = self.root / "etc"
        etc.mkdir(parents=True, mode=0o700)
        self.home.mkdir(mode=0o700)
        password = secrets.token_urlsafe(18)
        uid, gid = (os.getuid(), os.getgid()) if self.uid is None else (self.uid, self.uid)
        shell = "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"
        # sshd started by root drops to an account `sshd` before log-in; any unprivileged number serves.
        _write(
            etc / "passwd",
            f"{name}:x:{uid}:{gid}:dedicated account of {device}:{self.home}:{shell}\n"
            "sshd:x:65534:65534:privilege separation:/run/sshd:/usr/sbin/nologin\n",
        )
        _write(etc / "group", f"{name}:x:{gid}:\nsshd:x:65534:\n")
        _write(etc / "shadow", f"{name}:{crypted(password)}:19000:0:99999:7:::\nsshd:!:19000:0:99999:7:::\n")
        _write(self.home / ".profile", f"PS1='{name}@{device}:\\w\\$ '\n")
        private, public = key_pair()
        _write(self.authorized_keys, f"{public} {name}\n")  # all that the device keeps of the key
        account = DeviceAccount(name=name, password=password, private_key=private)
        if self.uid is not None:
            self.authorized_keys.chmod(0o644)
            for path in (self.home, *self.home.iterdir()):
                os.chown(path, uid, gid)
        return account

    def remove_reachable(self) -> None:
        """Remove what lies outside the device's folder."""
        if self.reachable != self.root:
            shutil.rmtree(self.reachable, ignore_errors=True)

    def write_config(self, port: int, mark: str, extra: str) -> None:
        """Write the sshd's configuration; lines of *extra* win over ours (sshd_config(5): the first value holds).

        Args:
            port: the loopback port to listen on.
            mark: ``NAME=value``, set in the environment of every session, by which its processes are found.
            extra: further sshd_config lines.

        Raises DemoError when no sftp server is installed.
        """
        _write(
            self.config,
            f"""SetEnv {mark}
{extra.strip()}
ListenAddress 127.0.0.1:{port}
HostKey "{self.host_key}"
AuthorizedKeysFile "{self.authorized_keys}"
Subsystem sftp {sftp_server()}
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin yes
{"PerSourcePenalties no" if shuts_out_addresses() else ""}
# the folder may lie under a world-writable one such as /tmp
StrictModes no
MaxStartups 200
PrintMotd no
PrintLastLog no
""",
        )


def prepare(root: Path, uid: int | None = None) -> DeviceFiles:
    """Make the folder of a device whose account maps to *uid* (None: who starts it), and give its paths.

    Raises DemoError when the path holds a character that an account database or sshd_config cannot.
    """
    root = root.resolve()
    unfit = sorted(UNFIT_IN_PATHS.intersection(str(root)))
    if unfit:
        raise DemoError("demo.unfit_folder", folder=str(root), character=unfit[0])
    root.mkdir(parents=True, mode=0o700, exist_ok=True)
    reachable = root
    if uid is not None:
        reachable = temporary_folder("account")
        reachable.chmod(0o711)
    return DeviceFiles(root, uid, reachable)


def unprivileged_uid() -> int | None:
    """Return the user number for an account that root starts: nobody's, or None where there is nobody.

    It must be one that this machine knows: sftp-server and scp ask it who they are, and end if it cannot say.
    """
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        return None


def sshd_program() -> Path:
    """Find sshd, which insists on being started by its absolute path. Raises DemoError when it is not installed."""
    found = shutil.which("sshd", path=os.pathsep.join([*os.get_exec_path(), *SYSTEM_FOLDERS]))
    if found is not None:
        return Path(found).resolve()
    raise DemoError("demo.not_installed", program="sshd", package="openssh-server")


def shuts_out_addresses() -> bool:
    """Tell whether this sshd shuts out an address after failures (OpenSSH 9.8): here every client has the same one."""
    asked = subprocess.run([sshd_program(), "-V"], check=False, capture_output=True, text=True, timeout=30)
    version = re.search(r"OpenSSH_(\d+)\.(\d+)", asked.stderr + asked.stdout)
    return version is not None and (int(version[1]), int(version[2])) >= (9, 8)


def sftp_server() -> Path:
    """Find the sftp server program. Raises DemoError when it is not installed."""
    for name in SFTP_SERVERS:
        if Path(name).is_file():
            return Path(name)
    raise DemoError("demo.not_installed", program="sftp-server", package="openssh-sftp-server")


def nss_wrapper() -> Path:
    """Find libnss_wrapper. Raises DemoError when it is not installed."""
    for pattern in NSS_WRAPPERS:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        if found:
            return found[0]
    raise DemoError("demo.not_installed", program="libnss_wrapper", package="libnss-wrapper")


def crypted(password: str) -> str:
    """Hash a password as shadow(5) keeps it (crypt(5), sha512crypt, a fresh salt).

    In the fewest rounds that there are: nobody guesses a password that was drawn, and each log-in costs them.
    libcrypt is called itself, since sshd needs it anyway and Python 3.13 has no door to it.
    """
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    crypt.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    hashed = crypt(password.encode(), b"$6$rounds=1000$" + secrets.token_hex(8).encode())
    if not isinstance(hashed, bytes) or not hashed.startswith(b"$6$"):
        raise DemoError("demo.no_sha512crypt")
    return hashed.decode("ascii")


def key_pair() -> tuple[str, str]:
    """Make an Ed25519 key and give both halves as OpenSSH writes them, the public one without a comment."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode("ascii"), public.decode("ascii")


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
