"""A TaskGrant is a proof too: one place makes it."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[4]
PACKAGES = ("policy", "gateway", "admin_api", "ecluse", "recorder", "embedded")


def test_only_the_device_task_service_makes_task_grants() -> None:
    """No other product module calls TaskGrant."""
    makers = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and "TaskGrant" in (getattr(node.func, "id", ""), getattr(node.func, "attr", ""))
    }
    assert makers == {"policy/services/device_tasks.py"}
