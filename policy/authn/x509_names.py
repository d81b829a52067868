"""Whom a certificate names: held against the person who hands it over, so that nobody enrols another's."""

import re
import unicodedata
from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import NameOID


def names_by_address(certificate: x509.Certificate, email: str) -> bool:
    """Tell whether *certificate* bears the address *email*, as an alternative name or in its subject."""
    wanted = email.strip().casefold()
    return any(address.strip().casefold() == wanted for address in _addresses(certificate))


def names_by_name(certificate: x509.Certificate, full_name: str) -> bool:
    """Tell whether the subject of *certificate* is *full_name*, whatever the accents, capitals and order of words."""
    wanted = _words(full_name)
    return len(wanted) > 1 and any(_words(name) == wanted for name in _full_names(certificate))


def _addresses(certificate: x509.Certificate) -> Iterator[str]:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield str(attribute.value)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    yield from found.get_values_for_type(x509.RFC822Name)


def _full_names(certificate: x509.Certificate) -> Iterator[str]:
    subject = certificate.subject
    for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        yield str(attribute.value)
    given = subject.get_attributes_for_oid(NameOID.GIVEN_NAME)
    family = subject.get_attributes_for_oid(NameOID.SURNAME)
    if len(given) == len(family) == 1:  # as health professionals' cards write it
        yield " ".join(str(one.value) for one in (*given, *family))


def _words(name: str) -> list[str]:
    bare = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    return sorted(re.findall(r"\w+", bare.casefold()))
