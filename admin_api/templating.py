"""How every page of the hospital's side is rendered: strictly, and with all that is put into it escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(package: str) -> Environment:
    """Return the environment of *package*'s templates: nothing enters unescaped, and no name is missing in silence."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
