"""What is to be done about each refusal of the gateway's own, and by whom: no person is left with a bare no."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from policy.domain.people import Language
from policy.i18n import Catalog, next_move, rule_label


@dataclass(frozen=True, slots=True)
class Remedy:
    """Whose move it is (``mover.<mover>`` of policy's catalogue) and the message key of the step.

    ``code`` is the rule behind the refusal; empty where the refusal brings its own.
    """

    mover: str
    step: str
    code: str = ""


REMEDIES: Final[Mapping[str, Remedy]] = {
    "refusal.recorder": Remedy("administrator", "step.recorder", "T11"),
    "refusal.policy": Remedy("administrator", "step.policy", "O3"),
    "refusal.drain": Remedy("technician", "step.again", "T1"),
    "refusal.channels": Remedy("technician", "step.close", "X35"),
    "refusal.no-device": Remedy("technician", "step.name-device", "T1"),
    "refusal.jump-account": Remedy("technician", "step.jump", "T9"),
    "refusal.jump-other-account": Remedy("technician", "step.jump", "T9"),
    "device.unreachable": Remedy("planner", "step.device-on", "T1"),
    "device.hung-up": Remedy("administrator", "step.device-filter", "T1"),
    "device.algorithms": Remedy("administrator", "step.derogation", "T5"),
    "device.misdescribed": Remedy("administrator", "step.algorithms", "T5"),
    "device.host-key": Remedy("administrator", "step.host-key", "T5"),
    "device.secret": Remedy("administrator", "step.secret", "T9"),
    "device.flow": Remedy("administrator", "step.flow", "T8"),
    "device.refused": Remedy("administrator", "step.device-rights", "T9"),
    "end.idle": Remedy("technician", "step.while-open", "T10"),
    "end.window": Remedy("technician", "step.more-time", "O3"),
    "end.cut": Remedy("security", "step.cut", "X35"),
    "end.refused": Remedy("technician", "step.why", "O3"),
    "end.factor": Remedy("technician", "step.factor", "S35"),
    "end.recorder": Remedy("administrator", "step.recorder", "T11"),
    "end.store": Remedy("administrator", "step.store", "T11"),
    "end.catalogue": Remedy("administrator", "step.catalogue", "T11"),
    "end.spool": Remedy("administrator", "step.store", "T12"),
    "end.policy": Remedy("administrator", "step.policy", "O3"),
    "end.drain": Remedy("technician", "step.again", "T1"),
    "end.flow": Remedy("administrator", "step.flow", "T8"),
    "end.unreached": Remedy("planner", "step.device-on", "T1"),
    "end.device": Remedy("technician", "step.while-open", "T1"),
    "end.protocol": Remedy("technician", "step.transfer", "C7"),
    "end.menu-age": Remedy("technician", "step.again", "T10"),
    "end.nothing-open": Remedy("technician", "step.while-open", "T10"),
    "end.failure": Remedy("administrator", "step.failure", "T1"),
    "refused.shell": Remedy("planner", "step.widen"),
    "refused.exec": Remedy("planner", "step.widen"),
    "refused.sftp": Remedy("planner", "step.widen"),
    "refused.sftp-up": Remedy("planner", "step.widen"),
    "refused.sftp-down": Remedy("planner", "step.widen"),
    "refused.exec-empty": Remedy("technician", "step.command"),
    "refused.exec-characters": Remedy("technician", "step.sftp"),
    "refused.exec-scp": Remedy("technician", "step.sftp"),
    "refused.exec-rsync": Remedy("technician", "step.rsync"),
    "refused.files-terminal": Remedy("technician", "step.no-terminal"),
    "refused.subsystem": Remedy("technician", "step.without"),
    "refused.unknown": Remedy("technician", "step.without"),
    "refused.agent": Remedy("technician", "step.without"),
    "refused.x11": Remedy("technician", "step.without"),
    "refused.tunnel": Remedy("technician", "step.without"),
    "refused.forward-remote": Remedy("technician", "step.without"),
    "refused.forward-socket": Remedy("technician", "step.without"),
    "refused.forward-local": Remedy("technician", "step.jump"),
    "refused.port-elsewhere": Remedy("technician", "step.localhost"),
    "refused.port-not-named": Remedy("planner", "step.port"),
    "refused.port-ssh": Remedy("technician", "step.localhost"),
    "refused.mosh": Remedy("technician", "step.ssh"),
    "refused.jump-address": Remedy("technician", "step.jump"),
    "refused.jump-self": Remedy("technician", "step.jump"),
    "refused.jump-name": Remedy("technician", "step.jump"),
    "refused.jump-port": Remedy("technician", "step.jump"),
    "refused.jump-other": Remedy("technician", "step.jump"),
    "refused.jump-nested": Remedy("technician", "step.jump"),
    "refused.jump-many": Remedy("technician", "step.close"),
}
"""By the message key of the refusal. A test holds the catalogue against it: a key without a remedy fails there."""


def refused_lines(
    key: str, catalog: Catalog, language: Language, timezone: str, **arguments: object
) -> list[str]:
    """Return what a person reads of the refusal or end *key*: the sentence with its rule, then the next step."""
    sentence = catalog.translate(key, language, timezone=timezone, **arguments)
    remedy = REMEDIES.get(key)
    if remedy is None:  # better no step than no word
        return [sentence]
    if remedy.code:
        sentence = f"{sentence} ({rule_label(remedy.code)})"
    return [sentence, step_line(key, catalog, language, timezone, **arguments)]


def step_line(key: str, catalog: Catalog, language: Language, timezone: str, **arguments: object) -> str:
    """Return the line that says what to do about *key* and whose move it is; empty where the table has nothing."""
    remedy = REMEDIES.get(key)
    if remedy is None:
        return ""
    step = catalog.translate(remedy.step, language, timezone=timezone, **arguments)
    return f"  {next_move(remedy.mover, step, language)}"
