"""The algorithms offered to people and, unless a device is excepted, to devices (rules.md section 3.2)."""

KEX = (
    "curve25519-sha256",  # first: a client's guessed packet is then right in most cases
    "curve25519-sha256@libssh.org",
    "mlkem768x25519-sha256",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
)
ENCRYPTION = (
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
    "chacha20-poly1305@openssh.com",  # last: safe only with strict key exchange (CVE-2023-48795)
)
MAC = (
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512",
    "hmac-sha2-256",
)
SIGNATURE = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
RSA_HOST_SIGNATURES = (b"rsa-sha2-512", b"rsa-sha2-256")
COMPRESSION = ("none",)

PERSON_KEYS = frozenset(
    {
        b"ssh-ed25519",
        b"sk-ssh-ed25519@openssh.com",
        b"ecdsa-sha2-nistp256",
        b"ecdsa-sha2-nistp384",
        b"ecdsa-sha2-nistp521",
        b"sk-ecdsa-sha2-nistp256@openssh.com",
        b"ssh-rsa",  # the name of the key's format; its SHA-1 signature is not in SIGNATURE
    }
)
"""Formats of plain public keys a person may log in with."""

PERSON_CERTIFICATES = frozenset(
    {
        b"ssh-ed25519-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp256-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp384-cert-v01@openssh.com",
        b"ecdsa-sha2-nistp521-cert-v01@openssh.com",
        b"ssh-rsa-cert-v01@openssh.com",
    }
)
"""Formats of OpenSSH certificates a person may log in with, if policy believes their authority."""
