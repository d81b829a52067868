"""``ecluse doctor`` on the index of the search, which is the console's user's alone."""

import os
import pwd
import shutil
from pathlib import Path

import pytest

from ecluse.demo.leftovers import temporary_folder
from tests.support.installed import change, doctor, install


def findings(config: Path) -> list[tuple[str, str]]:
    """What the doctor finds of it, and how bad that is."""
    found = [
        one
        for one in doctor(config).values()
        if one["check"] == "doctor.apart" and "search" in one["subject"]
    ]
    return [(one["finding"].removeprefix("doctor.apart."), one["level"]) for one in found]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_gateway_s_user_must_not_reach_what_was_on_screens() -> None:
    """Where the two programs have users of their own, an index that the gateway's could read is a failure."""
    folder = temporary_folder("doctor")  # whose parents everybody may enter
    try:
        config = install(folder / "data")
        change(config, "gateway", 'user = "nobody"')
        change(config, "console", 'user = "root"')
        assert findings(config) == [("good", "good")]
        for path in (folder, folder / "data"):
            path.chmod(0o711)
        nobody = pwd.getpwnam("nobody")
        os.chown(folder / "data/search", nobody.pw_uid, nobody.pw_gid)
        assert findings(config) == [("open", "failed")]
    finally:
        shutil.rmtree(folder)
