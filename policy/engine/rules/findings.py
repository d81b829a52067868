"""How the rules word an outcome."""

from policy.domain.access import Finding


def held(code: str, key: str, **arguments: object) -> Finding:
    """Return a finding that rule *code* held; *arguments* fill the message *key*."""
    return Finding(code=code, held=True, key=key, arguments=arguments)


def failed(code: str, key: str, next_step: str, mover: str, **arguments: object) -> Finding:
    """Return a finding that rule *code* failed, with the message of the next step and whose move it is."""
    return Finding(code=code, held=False, key=key, arguments=arguments, next_step=next_step, mover=mover)
