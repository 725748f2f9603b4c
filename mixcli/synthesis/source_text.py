"""The text that names a source of sessions: `synth:drums=FOLDER,wet,seed=7,sessions=200,kits=a+b`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mixcli.errors import UsageError
from mixcli.synthesis.plans import SessionOptions

PREFIX = "synth:"
KINDS = ("drums", "band")
_FLAGS: dict[str, dict[str, Any]] = {"wet": {"wet": True}, "dry": {"wet": False}, "rooms": {"rooms": True}}
_NUMBERS: dict[str, tuple[str, type]] = {
    "seed": ("seed", int),
    "sessions": ("sessions", int),
    "shortest": ("shortest_s", float),
    "longest": ("longest_s", float),
    "preamp": ("preamp_db", float),
    "taste": ("taste", float),
    "follows": ("follows", float),
}
_LISTS = {
    "kits": "kits",
    "held-out-kits": "held_out_kits",
    "held-out-drummers": "held_out_drummers",
    "parts": "parts",
}
WORDS = (*_FLAGS, *(f"{key}=…" for key in (*_NUMBERS, *_LISTS)))


def is_source(text: str) -> bool:
    """Whether a text names a source of sessions, well or badly."""
    return text.startswith(PREFIX)


def read_source(text: str) -> SessionOptions:
    """The options that a source's text stands for; raises UsageError E242.

    After the folder come options behind commas: `wet` or `dry`, `rooms`, numbers (`seed`, `sessions`,
    `preamp` in dB, `taste`, `follows`, `shortest` and `longest` in seconds), lists joined by + (`kits`,
    `held-out-kits`, `held-out-drummers`, `parts`). A folder's name may hold commas.
    """
    kind, _, rest = text.removeprefix(PREFIX).partition("=")
    if not is_source(text) or kind not in KINDS:
        raise _wrong(text, f'there is no source "{kind}"')
    if not rest:
        raise _wrong(text, "a folder of samples is missing")
    parts = rest.split(",")
    n_folder = len(parts)
    while n_folder > 1 and _is_option(parts[n_folder - 1]):
        n_folder -= 1
    shorter = [n for n in range(1, n_folder) if Path(",".join(parts[:n])).expanduser().is_dir()]
    folder = Path(",".join(parts[:n_folder])).expanduser()
    if not folder.is_dir() and shorter:
        raise _wrong(text, f'"{parts[shorter[-1]]}" is no option of a source')
    values: dict[str, Any] = {}
    for part in parts[n_folder:]:
        values |= _option(text, part)
    try:
        return replace(SessionOptions(folder=folder, kind="drums" if kind == "drums" else "band"), **values)
    except ValueError as error:
        raise _wrong(text, str(error)) from error


def _is_option(part: str) -> bool:
    key, equals, _ = part.partition("=")
    return part in _FLAGS or (bool(equals) and (key in _NUMBERS or key in _LISTS))


def _option(text: str, part: str) -> dict[str, Any]:
    key, _, value = part.partition("=")
    if part in _FLAGS:
        return _FLAGS[part]
    if key in _LISTS:
        return {_LISTS[key]: tuple(each for each in value.split("+") if each)}
    name, kind = _NUMBERS[key]
    try:
        return {name: kind(value)}
    except ValueError as error:
        raise _wrong(text, f'"{value}" is no number for {key}') from error


def _wrong(text: str, reason: str) -> UsageError:
    return UsageError(
        f'"{text}": {reason}.',
        code="E242",
        hint=f"synth:drums=FOLDER or synth:band=FOLDER, then behind commas {', '.join(WORDS)}.",
    )
