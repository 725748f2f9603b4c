"""Options that several commands share, declared once as a dataclass."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import get_type_hints


def spell_out_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command with a parameter `options`, a dataclass, all its fields as options of its own.

    Typer reads a function's signature; here the fields are put into it.
    """
    own = [each for each in inspect.signature(command).parameters.values() if each.name != "options"]
    hints = get_type_hints(command, include_extras=True)
    kind = hints["options"]
    shared_hints = get_type_hints(kind, include_extras=True)
    own = [each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if field.default is MISSING else field.default,
            annotation=shared_hints[field.name],
        )
        for field in fields(kind)
    ]
    names = {each.name for each in shared}

    @functools.wraps(command)
    def wrapper(**given: object) -> None:
        typed = {key: value for key, value in given.items() if key in names}
        rest = {key: value for key, value in given.items() if key not in names}
        command(**rest, options=kind(**typed))

    wrapper.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # read by Typer
    wrapper.__annotations__ = {each.name: each.annotation for each in [*own, *shared]}
    return wrapper
