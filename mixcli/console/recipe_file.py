"""The recipe as a YAML file: written to be read and edited by an engineer, read back exactly."""

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mixcli.audio.output import atomic_output
from mixcli.console.recipe import Recipe, RecipePart
from mixcli.strict_yaml import load_mapping, validate

MAX_RECIPE_BYTES = 1024 * 1024
HEADER = """\
# A recipe of mixcli: everything that was done to every stem, in the order of the signal. Change what you
# like and render it again; no rule is consulted then:
#
#   mixcli mix <song folder> --recipe <this file>
#
# Units: _db decibels, _hz hertz, _s seconds, _ms milliseconds; pan from -1 (left) to 1 (right), 0 is centre.
# side_from_mid_db gives a mono stem a side, this many dB re its mid; side_gain_db changes the side that a
# stereo stem has; both are points "Hz: dB". reverb_send_db is re the dry sound. A line that is not there does
# nothing.
"""
PLAIN_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_./()+-]*(?: [A-Za-z0-9_./()+-]+)*\Z")
LONGEST_SIMPLE_KEY = 1000  # YAML takes 1024; longer ones are written on a line of their own
YAML_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
LEFT_OUT_EMPTY = ("reasons", "equaliser", "rides", "delay_ms")
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe, whole or not at all; the same recipe gives the same bytes. Raises OutputError."""
    with atomic_output(path) as partial:
        partial.write_bytes(recipe_text(recipe).encode("utf-8"))


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe of at most 1 MiB. Raises SettingsError E411 with the file and the key."""
    document = load_mapping(path, max_bytes=MAX_RECIPE_BYTES)
    return validate(Recipe, document, source=f'"{path.name}"')


def recipe_text(recipe: Recipe) -> str:
    """A recipe as YAML. What is None, or no equaliser, is left out; all else is written, defaults too."""
    return HEADER + "".join(f"{line}\n" for line in _mapping_lines(_fields(recipe), depth=0))


def _fields(part: RecipePart) -> dict[str, Any]:
    """The fields of a part that say something, in the model's order."""
    fields = {key: getattr(part, key) for key in type(part).model_fields}
    return {
        key: value
        for key, value in fields.items()
        if value is not None
        and (value or key not in LEFT_OUT_EMPTY)
        and not (isinstance(value, RecipePart) and not _fields(value))  # a mix bus that does nothing
    }


def _mapping_lines(mapping: Mapping[Any, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, value in mapping.items():
        if depth == 0 and isinstance(value, (RecipePart, dict)):
            yield ""
        fields = _fields(value) if isinstance(value, RecipePart) else value
        if isinstance(fields, list) and all(isinstance(part, RecipePart) for part in fields):
            yield f"{indent}{_key(key, indent)}"
            yield from (f"{indent}  - {_flow(part)}" for part in fields)
        elif not isinstance(fields, dict):
            yield f"{indent}{_key(key, indent)} {_inline(fields)}"
        elif not fields or all(isinstance(point, float) for point in fields):
            points = ", ".join(f"{_scalar(point)}: {_scalar(level)}" for point, level in fields.items())
            yield f"{indent}{_key(key, indent)} {{{points}}}"
        else:
            yield f"{indent}{_key(key, indent)}"
            yield from _mapping_lines(fields, depth + 1)


def _key(key: str | float, indent: str) -> str:
    text = _scalar(key)
    return f"{text}:" if len(text) <= LONGEST_SIMPLE_KEY else f"? {text}\n{indent}:"


def _flow(part: RecipePart) -> str:
    """A part of numbers and words on one line."""
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in _fields(part).items()) + "}"


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_scalar(item) for item in value)}]"
    return _scalar(value)


def _scalar(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number(value)
    return str(value) if isinstance(value, int) else _text(value)


def _number(value: float) -> str:
    """The shortest decimal that reads back as the same number, in the form YAML 1.1 takes for a number."""
    if value == 0 and math.copysign(1, value) < 0:
        return "-0.0"
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}{exponent}{power}"


def _text(text: str) -> str:
    """A word or words as they are where YAML reads them as text, else in double quotes."""
    if PLAIN_TEXT.match(text) and text.lower() not in YAML_WORDS:
        return text
    return '"' + "".join(ESCAPES.get(character) or _printable(character) for character in text) + '"'


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
