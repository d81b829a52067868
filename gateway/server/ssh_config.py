"""A technician's own SSH configuration: one line that makes his client know every host, and a host a device."""

from collections.abc import Sequence

from policy.domain.people import Language
from policy.domain.ways import SSH_PORT, Place, Way
from policy.i18n import Catalog


def ssh_config(login: str, place: Place, ways: Sequence[Way], language: Language, catalog: Catalog) -> str:
    """Return the text of an OpenSSH configuration for *login*, with comments in *language* of *catalog*.

    It is included from ``~/.ssh/config`` as a file of its own, out of which the ``known_hosts`` line is cut: that
    line stands in it as a comment that begins with ``#@``. Every line ends with a newline.
    """
    stem = f"ecluse-{place.name}"
    line = place.known_hosts(ways)
    trusted = [f"    UserKnownHostsFile ~/.ssh/{stem}.known_hosts", "    StrictHostKeyChecking yes"]
    if line is None:
        trusted = []

    def comment(key: str, **arguments: str) -> list[str]:
        return [f"# {text}" for text in catalog.translate(key, language, **arguments).splitlines()]

    command = f"ssh{'' if place.port == SSH_PORT else f' -p {place.port}'} {login}@{place.name} ssh-config"
    example = place.host(ways[0].device_name if ways else "scan01")
    lines = comment("ssh-config.intro", login=login, example=example)
    lines += comment("ssh-config.include")
    lines += [f"#   {command} > ~/.ssh/{stem}.conf", f"#   Include {stem}.conf"]
    if line is None:
        lines += comment("ssh-config.no-authority")
    else:
        lines += comment("ssh-config.known-hosts")
        lines += [f"#   sed -n 's/^#@/@/p' ~/.ssh/{stem}.conf > ~/.ssh/{stem}.known_hosts", f"#{line}"]
    lines += ["", f"Host {place.name}", f"    Port {place.port}", f"    User {login}", *trusted]
    lines += [f"    {text}" for text in comment("ssh-config.shared")]
    lines += [f"    #{option}" for option in _SHARED]
    if not ways:
        lines += ["", *comment("ssh-config.nothing")]
    for way in ways:
        for number, account in enumerate(way.account_names):
            alias = place.host(way.device_name, account if number else None)
            lines += ["", f"Host {alias}", f"    HostName {way.device_name}", f"    User {account}"]
            lines += [f"    HostKeyAlias {place.host(way.device_name)}"] if trusted else []
            lines += [f"    ProxyJump {login}@{place.name}", *trusted]
    return "".join(f"{text}\n" for text in lines)


_SHARED = ("ControlMaster auto", "ControlPath ~/.ssh/ecluse-%C", "ControlPersist 2m")
