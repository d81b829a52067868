"""What most of these tests stand on."""

from tests.support.bastion import bastion

__all__ = ["bastion"]
