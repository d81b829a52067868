"""Signing and encryption: the only cryptography of this package."""
