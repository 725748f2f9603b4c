"""Words of the command line into values: ROLE=DB, times, choices. Nothing here reads a file."""

import math
from difflib import get_close_matches

from mixcli.errors import UsageError


def parse_pairs(option: str, words: list[str] | None) -> list[tuple[str, str]]:
    """Split `KEY=VALUE` words. Raises UsageError."""
    pairs = []
    for word in words or []:
        key, equals, value = word.rpartition("=")
        if not equals or not key.strip() or not value.strip():
            raise UsageError(f'{option} "{word}" is not of the form KEY=VALUE.', code="E202")
        pairs.append((key.strip(), value.strip()))
    return pairs


def parse_levels(option: str, words: list[str] | None) -> dict[str, float]:
    """Split `KEY=NUMBER` words; a key given twice counts once, the last. Raises UsageError."""
    return {key: parse_number(option, value) for key, value in parse_pairs(option, words)}


def parse_number(option: str, text: str) -> float:
    """A finite number, with "-" or "−", and "dB" allowed behind it. Raises UsageError."""
    cleaned = text.strip().replace("−", "-").lower().removesuffix("db").strip()
    try:
        value = float(cleaned)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f'{option} "{text}" is not a number.', code="E203")
    return value


def parse_time(option: str, text: str | None) -> float | None:
    """Seconds from `90`, `90s`, `1:30` or `1:02:03.5`. Raises UsageError."""
    if text is None:
        return None
    try:
        parts = [float(part) for part in text.strip().lower().removesuffix("s").split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or any(not math.isfinite(part) or part < 0 for part in parts):
        raise UsageError(f'{option} "{text}" is not a time.', code="E204", hint="90, 90s, 1:30 or 1:02:03")
    seconds = 0.0
    for part in parts:
        seconds = seconds * 60 + part
    return seconds


def parse_choice(option: str, text: str, choices: tuple[str, ...]) -> str:
    """One of the allowed words. Raises UsageError with the nearest."""
    if text in choices:
        return text
    near = get_close_matches(text, choices, n=1)
    hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(choices)}"
    raise UsageError(f'{option} "{text}" is not known.', code="E205", hint=hint)
