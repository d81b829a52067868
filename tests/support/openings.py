"""Three devices' accounts that are open for Alice, as policy lists them."""

from datetime import timedelta
from typing import Final

from policy.domain.access import Opening
from policy.domain.windows import Channel
from tests.support.facts import CLOSES

OPENINGS: Final = [
    Opening(
        device_name=device,
        port=22,
        account_name=account,
        until=until,
        purpose=purpose,
        channels=frozenset(Channel),
    )
    for device, account, until, purpose in (
        ("ris02", "maint", CLOSES, "Mise à jour"),
        ("ris02", "root", CLOSES, "Mise à jour"),
        ("scan01", "maint", CLOSES - timedelta(hours=1), "Étalonnage\x1b[2J du scanner"),
    )
]
