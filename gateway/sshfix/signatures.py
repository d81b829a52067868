"""What a verified signature says besides that it holds: the flags of FIDO2 security keys (OpenSSH PROTOCOL.u2f)."""

from dataclasses import dataclass

from asyncssh.packet import SSHPacket

SECURITY_KEYS = frozenset({b"sk-ssh-ed25519@openssh.com", b"sk-ecdsa-sha2-nistp256@openssh.com"})
_TOUCHED = 0x01
_VERIFIED = 0x04


@dataclass(frozen=True, slots=True)
class SignedKey:
    """A public key in wire format whose signature was verified; what a security key signed of its holder."""

    blob: bytes
    touched: bool = False
    verified: bool = False


def signed_key(key_data: bytes, signature: bytes) -> SignedKey:
    """Return *key_data*, with the flags of its verified *signature* where it is a security key's.

    Raises PacketDecodeError for a signature that is cut short.
    """
    if SSHPacket(key_data).get_string() not in SECURITY_KEYS:
        return SignedKey(key_data)
    packet = SSHPacket(signature)
    packet.get_string()
    packet.get_string()
    flags = packet.get_byte()
    return SignedKey(key_data, touched=bool(flags & _TOUCHED), verified=bool(flags & _VERIFIED))
