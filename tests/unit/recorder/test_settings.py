"""The recorder's settings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recorder.settings import RecorderSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("write_timeout_seconds", 0),
        ("sync_interval_seconds", -1),
        ("max_threads", 0),
        ("min_free_bytes", -1),
        ("input_limit_bytes", -5),
    ],
)
def test_a_bound_that_cannot_be_is_refused_by_name(name: str, value: int) -> None:
    """A bound of the wrong size is refused at start, with the setting's name."""
    changes: dict[str, Any] = {name: value}
    right = RecorderSettings(
        spool=Path("s"), store=Path("t"), signing_key_path=Path("k"), catalog_url="sqlite:///x"
    )
    with pytest.raises(ValueError, match=name):
        replace(right, **changes)
