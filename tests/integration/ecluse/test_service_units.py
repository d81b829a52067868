"""The units in ``deploy/systemd``, read by systemd's own programs."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[3] / "deploy/systemd"
LARGEST_EXPOSURE = "20"  # 2.0 of 10.0, as systemd-analyze counts
PROGRAMS = sorted(path.name for path in UNITS.glob("*.service"))

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        shutil.which("systemd-analyze") is None, reason="systemd-analyze (systemd) is missing"
    ),
]


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on files, and nothing of this machine's."""
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give the units in a folder of their own, with a program that is on every machine in place of ours."""
    for unit in UNITS.iterdir():
        lines = [
            "ExecStart=/bin/true" if line.startswith("ExecStart=/usr/") else line
            for line in unit.read_text(encoding="utf-8").splitlines()
        ]
        (tmp_path / unit.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    """Have systemd read each unit in *folder*."""
    units = sorted(folder.iterdir())
    return analyze("verify", "--man=no", "--recursive-errors=no", *units)


def test_systemd_reads_every_unit_without_a_complaint(copied: Path) -> None:
    """Each key is one that systemd knows, each unit named is there; a misspelt key is found."""
    read = verify(copied)
    assert (read.returncode, read.stderr) == (0, "")
    unit = copied / "ecluse-gateway.service"
    unit.write_text(unit.read_text(encoding="utf-8").replace("RemoveIPC=", "RemoveIpc="), encoding="utf-8")
    assert "RemoveIpc" in verify(copied).stderr


@pytest.mark.parametrize("unit", PROGRAMS)
def test_each_service_is_confined(unit: str) -> None:
    """``systemd-analyze security`` counts 2.0 at most for each of them."""
    found = analyze("security", "--offline=yes", f"--threshold={LARGEST_EXPOSURE}", UNITS / unit)
    assert found.returncode == 0, found.stdout[-2000:]


def test_a_service_that_is_not_confined_is_found(tmp_path: Path) -> None:
    """Without its sandbox the gateway's unit is over the mark."""
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\nUser=ecluse-gateway\n", encoding="utf-8")
    found = analyze("security", "--offline=yes", f"--threshold={LARGEST_EXPOSURE}", bare)
    assert found.returncode != 0


def test_the_two_processes_have_two_users_and_neither_may_write_the_other_s_files() -> None:
    """The gateway's unit opens neither index nor cache, the console's no spool; both say when they are ready."""
    text = {name: (UNITS / f"ecluse-{name}.service").read_text() for name in ("gateway", "console")}
    for name, content in text.items():
        assert f"\nUser=ecluse-{name}\n" in content
        assert "\nType=notify\n" in content
        assert "\nProtectSystem=strict\n" in content
    assert "-/var/lib/ecluse/search" in text["gateway"].split("InaccessiblePaths=")[1].splitlines()[0]
    assert "-/var/lib/ecluse/spool" in text["console"].split("InaccessiblePaths=")[1].splitlines()[0]


@pytest.mark.parametrize(
    "unit", ["ecluse-backup.service", "ecluse-doctor.service", "ecluse-self-audit.service"]
)
def test_what_opens_databases_as_root_is_not_killed_for_giving_files_away(unit: str) -> None:
    """SQLite calls fchown when root runs it, and the filter takes that: an error is answered, and no signal ends it."""
    text = (UNITS / unit).read_text(encoding="utf-8")
    assert "\nUser=root\n" in text
    assert "\nSystemCallErrorNumber=EPERM\n" in text


def test_what_serves_is_started_again_for_ever() -> None:
    """Five refusals in a row, for a clock or a database, leave no program down once that is mended."""
    serving = [
        text for name in PROGRAMS if "\nRestart=" in (text := (UNITS / name).read_text(encoding="utf-8"))
    ]
    assert len(serving) == 5
    for text in serving:
        assert "\nStartLimitIntervalSec=0\n" in text.split("[Service]")[0]
