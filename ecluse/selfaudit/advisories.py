"""Known vulnerabilities of what is installed, told by pip-audit where it is installed and its advisories can be had.

pip-audit is no part of the product: it stands in the same environment, or apart, on the PATH.
"""

import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from ecluse.diagnosis.symptom import Symptom, look
from ecluse.selfaudit.advice import SERVICES, NotAudited, ask

_SHOWN: Final = 10


def program() -> list[str] | None:
    """Return what begins a command line of pip-audit: of this environment, else of the PATH; None where there is none."""
    if find_spec("pip_audit") is not None:
        return [sys.executable, "-m", "pip_audit"]
    found = shutil.which("pip-audit")
    return None if found is None else [found]


async def advisories(url: str | None, packages: Path | None = None) -> list[Symptom]:
    """Look up all that this program's environment holds, by the first service that answers; by *url*'s alone where set.

    *packages* is another folder of installed packages to look at instead.
    """
    check = look("advisories")
    command = program()
    if command is None:
        return [check.undone("no_program")]
    here = ("--path", str(packages or sysconfig.get_path("purelib")))
    reasons = []
    for service, further in _services(url):
        try:
            advice = await ask(command, (*here, *further), service)
        except NotAudited as error:
            reasons.append(f"{service}: {error}")
            continue
        if advice.vulnerable:
            more = f" (+{len(advice.vulnerable) - _SHOWN})" if len(advice.vulnerable) > _SHOWN else ""
            told = "; ".join(advice.vulnerable[:_SHOWN]) + more
            return [check.failed("vulnerable", count=len(advice.vulnerable), what=told)]
        if advice.looked and not advice.skipped:
            return [check.good(count=advice.looked, service=service)]
        reasons.append(f"{service}: {len(advice.skipped)} unknown to it")
    return [check.undone("not_audited", why="; ".join(reasons))]


def _services(url: str | None) -> list[tuple[str, tuple[str, ...]]]:
    if url is not None:
        return [("osv", ("--osv-url", url))]
    return [(service, ()) for service in SERVICES]
