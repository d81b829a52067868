"""No refusal without a way on: every one of policy's and of the gateway's says the rule, the step, who, and whom to call."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import policy
from gateway.server.banners import Wording, on_one_line
from gateway.session.forwarding import REFUSALS, refusal_of
from gateway.session.reasons import EndReason
from gateway.session.remedies import REMEDIES
from gateway.session.transfer.command import Refused
from policy.domain.access import UNDISCLOSED, Denial, Finding
from policy.domain.people import Language
from policy.engine.rules.findings import failed
from policy.i18n import finding_lines, load, refusal
from tests.support.facts import HOSPITAL

POLICY = Path(policy.__file__).parent
GATEWAY = load("gateway")
CONTACT = HOSPITAL.security_contact
OWN = sorted(
    key
    for key in GATEWAY.templates("", Language.FRENCH)
    if key.startswith(("refusal.", "refused.", "device.", "end.")) and key != "refused.headline"
)
"""Every sentence of the gateway that turns somebody away once she is logged in: before, nothing is told."""
MOVE = {Language.FRENCH: "À faire par ", Language.ENGLISH: "To be done by "}


def failures() -> Iterator[tuple[str, list[ast.expr]]]:
    """Yield where each ``failed(…)`` of policy stands, with its arguments."""
    for module in sorted(POLICY.rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failed":
                yield f"{module.name}:{node.lineno}", node.args


def texts(node: ast.expr) -> Iterator[str]:
    """Yield every message key that an argument can stand for, with ``*`` for what is computed."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from texts(child)


def known(pattern: str, language: Language) -> dict[str, str]:
    """Return the sentences of policy whose key matches *pattern*."""
    shape = re.compile(re.escape(pattern).replace(r"\*", ".+"))
    found = load("policy").templates("", language).items()
    return {key: sentence for key, sentence in found if shape.fullmatch(key)}


@pytest.mark.parametrize("language", list(Language))
def test_every_failed_rule_has_its_step_and_mover(language: Language) -> None:
    """Each ``failed`` of the engine and of the services names a sentence, a step and a mover that are there."""
    seen = 0
    for place, arguments in failures():
        if isinstance(arguments[0], ast.Starred):
            continue
        seen += 1
        assert len(arguments) >= 4, place
        for argument, prefix in zip(arguments[1:4], ("finding.", "next.", "mover."), strict=True):
            found = [key if key.startswith(prefix) else prefix + key for key in texts(argument)]
            assert found or not isinstance(argument, ast.Constant), place
            assert all(known(key, language) for key in found), (place, found)
    assert seen > 40


def test_nobody_words_a_failure_by_hand() -> None:
    """A finding is made by ``held``, or by ``failed``, which takes a step and a mover; the stranger's has both."""
    makers = {
        module.relative_to(POLICY).as_posix()
        for module in POLICY.rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding"
    }
    assert makers == {"engine/rules/findings.py", "domain/access.py"}
    assert UNDISCLOSED.next_step
    assert UNDISCLOSED.mover
    finding = failed("O3", "finding.O3.none", "next.O3.plan", "planner")
    assert (finding.next_step, finding.mover) == ("next.O3.plan", "planner")


@pytest.mark.parametrize("language", list(Language))
def test_a_stranger_s_refusal_has_a_step_too(language: Language) -> None:
    """Who may not know whether a device exists is still told what she can do, and whom to call."""
    lines = refusal(Denial(findings=(UNDISCLOSED,), disclose=False), language, "Europe/Paris", CONTACT)
    assert MOVE[language] in "\n".join(lines)
    assert CONTACT in lines[-1]
    assert len(finding_lines("x", UNDISCLOSED, language, "Europe/Paris")) == 2


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("key", OWN)
def test_every_refusal_of_the_gateway_names_rule_step_mover_and_contact(key: str, language: Language) -> None:
    """Whatever the gateway turns down or ends by itself, in either language, in words that are not cut short."""
    wording = Wording(HOSPITAL)
    arguments = dict.fromkeys(("device", "login", "account", "limit", "reason"), "scan01")
    if key.startswith("refused."):
        text = wording.channel_refused(Refused(key=key, code="E6"), language)
    else:
        text = wording.refused(key, language, **arguments)
    assert re.search(r"\((?:PGSSIS-[A-Z]\d+|[SX]\d+)\)", text), text
    assert MOVE[language] in text
    assert text.endswith(CONTACT)
    assert "…" not in text
    assert on_one_line(text).isascii()


def test_the_table_has_nothing_else() -> None:
    """Each remedy is for a sentence that exists, and each sentence of an end or a refusal has its remedy."""
    assert sorted(REMEDIES) == OWN
    ends = {f"end.{reason.value}" for reason in EndReason} - {"end.left", "end.lost"}
    assert ends <= set(REMEDIES)


@pytest.mark.parametrize("name", [*REFUSALS, "anything"])
def test_every_kind_of_forwarding_has_its_remedy(name: str) -> None:
    """Whatever SSH can carry and is refused leads somewhere."""
    assert refusal_of(name).key in REMEDIES


def test_a_finding_s_step_is_not_cut_short() -> None:
    """Steps are short enough for the line that holds them, in both languages."""
    for language in Language:
        for key in load("policy").templates("next.", language):
            names = re.findall(r"{(\w+)}", load("policy").templates(key, language)[key])
            finding = Finding(
                code="O3",
                held=False,
                key="finding.O3.none",
                arguments=dict.fromkeys(names, "x"),
                next_step=key,
                mover="planner",
            )
            assert "…" not in finding_lines("O3", finding, language, "Europe/Paris")[1]
