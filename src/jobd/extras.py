"""What is not in the core: programs whose libraries come with an extra, as in pip install 'jobd[web]'."""

from importlib.util import find_spec

from jobd.errors import UsageError


def require(extra: str, *modules: str) -> None:
    """Make sure that the libraries of an extra are there, without loading them.

    Raises:
        UsageError: one is missing; says what to install.
    """
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} is missing: pip install 'jobd[{extra}]'")
