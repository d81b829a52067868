"""Rules on the source, each a function of a path and a text that names what breaks it and where."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

Rule = Callable[[PurePosixPath, str], list[str]]

MAX_LINES = 400
ONE_FILE = {"recorder/proof/verifier.py": 1100}
"""What travels alone, to be read and run where nothing else of the product is: one file by its purpose."""
FOLDERS_WITHOUT_A_NOUN = frozenset({"utils", "util", "common", "helpers", "helper", "misc", "core", "lib"})
WITHOUT_A_CLOCK = ("policy/domain/", "policy/engine/", "recorder/trace/")
CLOCK_READINGS = frozenset(
    {
        "now", "utcnow", "today", "localtime", "gmtime", "monotonic", "monotonic_ns", "perf_counter",
        "perf_counter_ns", "time_ns", "process_time", "clock_gettime",
    }
)  # fmt: skip
# What pure code may import besides the standard library and itself: error types, and pure libraries of a format.
PURE = {
    "policy/domain/": ("policy.domain", "policy.errors"),
    "policy/engine/": ("policy.domain", "policy.engine", "policy.errors"),
    "recorder/trace/": ("recorder.trace", "recorder.errors", "zstandard"),
}
# RFC 5545 recurrences are expanded by a library, in the one module that knows them.
PURE_BY_MODULE = {"policy/domain/calendar.py": ("dateutil.rrule",)}
# I/O in disguise, though of the standard library.
IMPURE = frozenset(
    {"asyncio", "socket", "subprocess", "time", "threading", "logging", "os", "pathlib", "random"}
)
# asyncssh's own pipes: bytes pass with no tap on them (invariant 4).
UNTAPPED = frozenset(
    {
        "forward_tunneled_session", "forward_tunneled_connection", "forward_connection", "forward_unix_connection",
        "forward_local_port", "forward_local_path", "forward_remote_port", "forward_remote_path", "forward_socks",
        "create_process", "process_factory", "sftp_factory", "SSHForwarder", "SSHServerProcess", "redirect",
    }
)  # fmt: skip
UNTAPPED_REQUESTS = frozenset(
    {
        "connection_requested", "unix_connection_requested", "server_requested", "unix_server_requested",
        "tun_requested", "tap_requested",
    }
)  # fmt: skip
OPEN_BY_DEFAULT = frozenset({"agent_forwarding", "x11_forwarding", "allow_scp"})


def within_length(path: PurePosixPath, text: str) -> list[str]:
    """A module is split before it is longer than people read."""
    lines = len(text.splitlines())
    most = ONE_FILE.get(str(path), MAX_LINES)
    return [f"{path}: {lines} lines, more than {most}"] if lines > most else []


def named_for_a_noun(path: PurePosixPath, _text: str) -> list[str]:
    """No folder and no module is named for having no subject."""
    names = (*path.parts[:-1], path.stem)
    return [f"{path}: {name} says nothing" for name in names if name in FOLDERS_WITHOUT_A_NOUN]


def told_the_time(path: PurePosixPath, text: str) -> list[str]:
    """Pure code is told the time and never looks at a clock (invariant 3)."""
    if not str(path).startswith(WITHOUT_A_CLOCK):
        return []
    found = []
    for node in ast.walk(ast.parse(text)):
        reads = isinstance(node, ast.Attribute) and (
            node.attr in CLOCK_READINGS
            or (node.attr == "time" and isinstance(node.value, ast.Name) and node.value.id == "time")
        )
        takes = isinstance(node, ast.ImportFrom) and node.module == "time"
        if reads or takes:
            found.append(f"{path}:{line(node)}: looks at a clock")
    return found


def pure_imports(path: PurePosixPath, text: str) -> list[str]:
    """Pure code imports the standard library without its I/O, itself, and what is named here."""
    allowed = next((names for folder, names in PURE.items() if str(path).startswith(folder)), None)
    if allowed is None:
        return []
    allowed += PURE_BY_MODULE.get(str(path), ())
    return [
        f"{path}:{number}: imports {module}"
        for number, module in imports(text)
        if not _is_within(module, allowed)
        and (module.split(".")[0] not in sys.stdlib_module_names or module.split(".")[0] in IMPURE)
    ]


def one_ssh_side(path: PurePosixPath, text: str) -> list[str]:
    """In the product, gateway alone imports asyncssh, and it alone speaks SSH."""
    if path.parts[0] == "gateway":
        return []
    return [
        f"{path}:{number}: imports {module}"
        for number, module in imports(text)
        if _is_within(module, ("asyncssh",))
    ]


def one_seal(path: PurePosixPath, text: str) -> list[str]:
    """In recorder and what lies below it, seal alone holds cryptography."""
    sealing = path.parts[:2] == ("recorder", "seal")
    if path.parts[0] not in {"recorder", "embedded", "schema"} or sealing or str(path) in ONE_FILE:
        return []
    return [
        f"{path}:{number}: imports {module}"
        for number, module in imports(text)
        if _is_within(module, ("cryptography",))
    ]


def one_maker_of_grants(path: PurePosixPath, text: str) -> list[str]:
    """Only the decision makes a Grant, and nobody copies one into another (invariant 1)."""
    if str(path) == "policy/engine/decide.py":
        return []
    tree = ast.parse(text)
    knows = {name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in _names(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _last_name(node.func) == "Grant":
            found.append(f"{path}:{line(node)}: makes a Grant")
        elif isinstance(node, ast.alias) and node.name == "Grant" and node.asname not in {None, "Grant"}:
            found.append(f"{path}:{line(node)}: hides Grant under another name")
        elif (
            isinstance(node, ast.Attribute)
            and _last_name(node.value) == "Grant"
            and node.attr.startswith("__")
        ):
            found.append(f"{path}:{line(node)}: reaches into Grant by {node.attr}")
        elif str(path) != "policy/domain/access.py" and _last_name(node) == "GRANT_SEAL":
            found.append(f"{path}:{line(node)}: holds the seal of grants")
        elif isinstance(node, ast.Call) and _copies(node) and ("Grant" in knows or _mentions_grant(node)):
            found.append(f"{path}:{line(node)}: copies what may be a Grant")
    return found


def tapped_channels(path: PurePosixPath, text: str) -> list[str]:
    """In gateway no channel, key or agent passes by a way of asyncssh's that nobody records or pins."""
    if path.parts[0] != "gateway":
        return []
    found = []
    for node in ast.walk(ast.parse(text)):
        if _last_name(node) in UNTAPPED:
            found.append(f"{path}:{line(node)}: {_last_name(node)} has no tap")
        elif isinstance(node, ast.keyword):
            if node.arg in UNTAPPED:
                found.append(f"{path}:{line(node.value)}: {node.arg} has no tap")
            if node.arg == "known_hosts" and _is_empty(node.value):
                found.append(
                    f"{path}:{line(node.value)}: known_hosts trusts any host, or the account's own file"
                )
            if node.arg in OPEN_BY_DEFAULT and not _is_constant(node.value, False):
                found.append(f"{path}:{line(node.value)}: {node.arg} is not refused")
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in UNTAPPED_REQUESTS:
            found += [
                f"{path}:{line(given)}: {node.name} lets asyncssh pipe by itself"
                for given in ast.walk(node)
                if isinstance(given, ast.Return) and _is_constant(given.value, True)
            ]
    return found


def reasons_given(path: PurePosixPath, text: str) -> list[str]:
    """A silenced checker has its reason beside it, and nothing is left for later."""
    found = []
    for number, content in enumerate(text.splitlines(), start=1):
        if "#" not in content:
            continue
        silenced = re.search(
            r"#\s*(?:type:\s*ignore(?:\[[^\]]*\])?|noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?)(.*)", content
        )
        if silenced and not re.search(r"\w{2}", silenced[1]):
            found.append(f"{path}:{number}: silences a checker without a reason")
        if re.search(r"#.*\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X")) + r")\b", content):
            found.append(f"{path}:{number}: is left for later")
    return found


def cancellable(path: PurePosixPath, text: str) -> list[str]:
    """Nobody waits by asyncio.wait_for: on Python 3.11 it loses a cancellation that comes with the answer."""
    if "wait_for" not in text:
        return []
    return [
        f"{path}:{line(node)}: asyncio.wait_for, which can lose a cancellation: asyncio.timeout does not"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and node.attr == "wait_for"
        if isinstance(node.value, ast.Name) and node.value.id == "asyncio"
    ]


RULES: tuple[Rule, ...] = (
    within_length,
    named_for_a_noun,
    told_the_time,
    pure_imports,
    one_ssh_side,
    one_seal,
    one_maker_of_grants,
    tapped_channels,
    reasons_given,
    cancellable,
)
# What tests may do that the product may not: speak SSH as somebody's client, and take a grant or a seal apart.
FOR_THE_PRODUCT = frozenset({one_ssh_side, one_seal, one_maker_of_grants, tapped_channels, cancellable})


def imports(text: str) -> Iterator[tuple[int, str]]:
    """Give the line and the full name of every import, wherever it stands."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif (
            isinstance(node, ast.Call)
            and _last_name(node.func) in {"import_module", "__import__"}
            and node.args
        ):
            name = node.args[0]
            yield (
                node.lineno,
                str(name.value) if isinstance(name, ast.Constant) else "what is only known later",
            )


def line(node: ast.AST) -> int:
    """Give the line on which *node* stands."""
    return int(getattr(node, "lineno", 0))


def _names(node: ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names]


def _last_name(node: ast.AST | None) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.name if isinstance(node, ast.alias) else None


def _copies(node: ast.Call) -> bool:
    """Tell whether a call is one of those that make a second value out of a first, past its constructor's checks."""
    name = _last_name(node.func)
    if name == "replace":
        # dataclasses.replace takes the value first and then only names; str.replace takes no names
        return len(node.args) == 1 and (bool(node.keywords) or isinstance(node.func, ast.Name))
    return name in {"copy", "deepcopy"} and len(node.args) == 1


def _mentions_grant(node: ast.Call) -> bool:
    return any(
        "grant" in (_last_name(part) or "").lower() for argument in node.args for part in ast.walk(argument)
    )


def _is_within(module: str, allowed: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def _is_constant(node: ast.AST | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_empty(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return not node.value
    return isinstance(node, (ast.Tuple, ast.List)) and not node.elts
