"""What the documents tell people to type exists, and the list of decisions is whole."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from ecluse.main import app

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DECISIONS = ROOT / "docs" / "adr"
HELP = {"-h", "--help"}
_CODE = re.compile(r"```[^\n]*\n(.*?)```|`([^`]+)`", re.DOTALL)
_ENDS = re.compile(r"\$\(|[|;&()<>\n]|\s#\s")
"""What ends one command of a line and begins another, or a remark."""
_BEFORE = re.compile(r"^(?:\$ |sudo (?:-u \S+ )?|[A-Z_]+=\S+ |runuser -u \S+ -- )+")


def _typed(text: str) -> Iterator[str]:
    """Give each command of the product in the code of *text*, without what stands before it."""
    for code in _CODE.finditer(text):
        for part in _ENDS.split((code[1] or code[2]).replace("\\\n", " ")):
            command = _BEFORE.sub("", part.strip())
            if command.startswith("ecluse "):
                yield " ".join(command.split())


def _fault(command: str) -> str | None:
    """Return the first word of *command* that the product does not have."""
    try:
        words = shlex.split(command)[1:]
    except ValueError:  # a quotation that goes on elsewhere
        words = command.split()[1:]
    at: object = typer.main.get_command(app)
    flags: dict[str, bool] = dict.fromkeys(HELP, True)
    value = False
    for word in words:
        if value:
            value = False
            continue
        for one in getattr(at, "params", ()):
            flags |= dict.fromkeys((*one.opts, *one.secondary_opts), getattr(one, "is_flag", True))
        below = getattr(at, "commands", None)
        if word.startswith("-") and len(word) > 1:
            option, told, _ = word.partition("=")
            if option not in flags:
                return word
            value = not told and not flags[option]
        elif below is not None and re.fullmatch(r"[a-z][a-z-]*", word):
            if word not in below:
                return word
            at = below[word]
    return None


COMMANDS = sorted({(path.name, command) for path in DOCUMENTS for command in _typed(path.read_text())})


@pytest.mark.parametrize("document", [path.name for path in DOCUMENTS])
def test_every_command_that_a_document_tells_exists(document: str) -> None:
    """Each noun, verb and option after ``ecluse`` in the code of a page is one that the command line has."""
    faults = {command: _fault(command) for name, command in COMMANDS if name == document}
    assert {command: fault for command, fault in faults.items() if fault is not None} == {}


def test_enough_commands_are_looked_at() -> None:
    """The pages' code is read: their commands are many, and one that does not exist is found."""
    assert len(COMMANDS) > 100
    assert _fault("ecluse sessions list --past") is None
    assert _fault("ecluse sessions lists") == "lists"
    assert _fault("ecluse sessions list --passed") == "--passed"


def test_every_decision_is_in_the_list() -> None:
    """The list of decisions names each file once, by its own number, and none that is not there."""
    told = re.findall(r"^\| \[(\d+)\]\((\S+?)\) \|", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    there = sorted(path.name for path in DECISIONS.glob("[0-9]*.md"))
    assert sorted(name for _, name in told) == there
    assert [number for number, name in told if int(number) != int(name[:4])] == []
    for name in there:
        assert (DECISIONS / name).read_text().startswith(f"# {int(name[:4])}. ")


def test_links_of_installed_pages_lead_somewhere(tmp_path: Path) -> None:
    """In the package's folder the pages lie side by side: each relative link is followed, and one to the source is text."""
    subprocess.run([sys.executable, str(ROOT / "tools/pages"), str(tmp_path)], check=True)
    nowhere, followed = [], 0
    for page in tmp_path.rglob("*.md"):
        for target in re.findall(r"\[[^\]]*\]\(([^)\s#]+)[^)]*\)", page.read_text()):
            if not re.match(r"[a-z]+:", target):
                followed += 1
                nowhere += [] if (page.parent / target).exists() else [(page.name, target)]
    assert nowhere == []
    assert followed > 100
    assert "[ADR 41](adr/0041-two-tier-lock.md)" in (tmp_path / "operator.md").read_text()
    assert "(../policy" not in (tmp_path / "reading.md").read_text()
    assert (tmp_path / "examples/nftables/ecluse.nft").exists()


def _headings(page: Path) -> set[str]:
    """Return what the headings of *page* are called in links, as those who show Markdown call them."""
    titles = re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE
    )
    plain = (re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles)
    found = dict[str, int]()
    for one in plain:
        found[one] = found.get(one, 0) + 1
    return {f"{one}-{number}" if number else one for one, count in found.items() for number in range(count)}


def test_links_into_a_document_lead_to_a_heading() -> None:
    """In each page, also where it links into another one."""
    headings = {page.name: _headings(page) for page in DOCUMENTS}
    links = [
        (page.name, target or page.name, anchor)
        for page in DOCUMENTS
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text())
    ]
    assert len(links) > 50
    assert [link for link in links if link[1] in headings and link[2] not in headings[link[1]]] == []
