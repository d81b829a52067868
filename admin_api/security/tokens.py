"""Bearer tokens as they travel: read from the request, shown to policy, never logged."""

from admin_api.errors import Unauthenticated
from policy.domain.ids import HospitalId
from policy.errors import AuthenticationFailed
from policy.services.tokens import Principal, TokenService
from policy.vault.secret import Secret

_LONGEST = 512


def bearer(authorization: str | None) -> Secret:
    """Return the token of an ``Authorization`` header (RFC 6750 §2.1); raises Unauthenticated without one."""
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _LONGEST or not token.isascii():
        raise Unauthenticated
    return Secret(token)


async def authenticate(tokens: TokenService, authorization: str | None, hospital_id: HospitalId) -> Principal:
    """Return who the header speaks for in this console's hospital; raises Unauthenticated for every way it does not.

    Another hospital's token, in the same databases, is no token here: its own console knows from where it may be
    used, and holds the keys that its answers need.
    """
    try:
        principal = await tokens.authenticate(bearer(authorization))
    except AuthenticationFailed as refused:
        raise Unauthenticated from refused
    if principal.hospital_id != hospital_id:
        raise Unauthenticated
    return principal
