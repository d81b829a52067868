"""Ways into the gateway with a key that is not held, tried by a client that follows no manners."""

from pathlib import Path

import asyncssh
import pytest

from tests.support.bastion import running_bastion
from tests.support.raw_client import logged_in

pytestmark = pytest.mark.integration


async def test_a_key_shown_and_another_that_signs_prove_nothing(tmp_path: Path) -> None:
    """Her public key with a signature by somebody else's is no first factor: a code alone is not asked for then."""
    hers, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    liar = asyncssh.load_keypairs([other])[0]
    liar.public_data = hers.public_data
    async with running_bastion(tmp_path) as bastion:
        world = bastion.world
        line = hers.export_public_key().decode()
        await world.services.people.add_key(world.who("alice"), world.id, world.who("alice"), line)
        async with logged_in(bastion, answers=bastion.code(), keys=[hers]):
            pass
        with pytest.raises(asyncssh.PermissionDenied):
            async with logged_in(bastion, answers=bastion.code(), keys=[liar]):
                pass
