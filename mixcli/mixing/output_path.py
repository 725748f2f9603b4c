"""Where a mix goes: its path, what lies beside it, and what happens to a file that is already there."""

import os
import string
from dataclasses import dataclass
from pathlib import Path

from mixcli.console.variants import MAIN, Variant
from mixcli.errors import OutputError, SettingsError, UsageError
from mixcli.mixing.request import IfExists
from mixcli.settings import MixSettings
from mixcli.songs.listing import song_name

AUDIO_SUFFIXES = {".wav": "wav", ".flac": "flac"}
TEMPLATE_FIELDS = ("song", "preset", "model", "bits", "variant", "ext")
MAX_NAME_BYTES = 200  # leaves room for ".recipe.yaml" and the temporary name within 255


@dataclass(frozen=True, kw_only=True)
class MixPaths:
    """The files of one mix."""

    audio: Path

    @property
    def recipe(self) -> Path:
        """The recipe beside the mix."""
        return self.audio.with_name(f"{self.audio.stem}.recipe.yaml")

    @property
    def result(self) -> Path:
        """The result beside the mix."""
        return self.audio.with_name(f"{self.audio.stem}.mix.json")

    @property
    def terms(self) -> Path:
        """The folder of exported terms beside the mix."""
        return self.audio.with_name(f"{self.audio.stem}.terms")


def clean_file_name(text: str) -> str:
    """One path component from any text: no separators, control characters, reserved marks or outer dots."""
    reserved = set('/\\:*?"<>|\x7f') | {chr(code) for code in range(32)}
    kept = "".join("_" if char in reserved else char for char in text)
    kept = kept.strip().strip(".") or "song"
    encoded = kept.encode("utf-8", "surrogateescape")[:MAX_NAME_BYTES]
    return encoded.decode("utf-8", "ignore").rstrip() or "song"


def output_format(out: Path | None, settings: MixSettings) -> MixSettings:
    """A file name given as output decides the format: `-o mix.flac` writes FLAC."""
    if out is None or out.suffix.lower() not in AUDIO_SUFFIXES:
        return settings
    return settings.model_copy(update={"format": AUDIO_SUFFIXES[out.suffix.lower()]})


def plan_paths(
    folder: Path,
    out: Path | None,
    template: str,
    settings: MixSettings,
    *,
    preset: str,
    variant: Variant | None = None,
) -> MixPaths:
    """Decide where the mix of a song folder goes.

    `out` is a folder, or a file when it ends in an audio suffix; without it the mix goes to `mixes`. A
    variant other than the first has its label behind the name, where the template does not place it. Never
    into the song's own folder: OutputError E507. SettingsError for a bad template, UsageError for a suffix
    that cannot be written.
    """
    if out is not None and lies_in(out, folder):
        message = f'"{out}" lies in the song folder, which is never written into.'
        raise OutputError(message, code="E507", hint=f'-o "{folder.resolve().parent / "mixes"}"')
    if out is not None and out.suffix.lower() in AUDIO_SUFFIXES:
        return MixPaths(audio=out.with_stem(_labelled(out.stem, variant)))
    if out is not None and out.suffix.lower() in (".mp3", ".ogg", ".opus", ".aif", ".aiff", ".m4a"):
        message = f'cannot write "{out.name}": mixes are written as WAV or FLAC.'
        raise UsageError(message, code="E201", hint=f'-o "{out.with_suffix(".wav").name}"')
    if out is None:
        out = folder.resolve().parent / "mixes" if lies_in(Path("mixes"), folder) else Path("mixes")
    fields = {
        "song": clean_file_name(song_name(folder)),
        "preset": clean_file_name(preset),
        "model": clean_file_name(settings.model or "console"),
        "bits": settings.bit_depth,
        "variant": (variant or MAIN).label,
        "ext": settings.format,
    }
    name = _fill(template.removesuffix(".{ext}"), fields)
    if "{variant}" not in template:
        name = _labelled(name, variant)
    return MixPaths(audio=out / f"{clean_file_name(name)}.{settings.format}")


def _labelled(name: str, variant: Variant | None) -> str:
    return name if variant in (None, MAIN) else f"{name} ({variant.label})"


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or anything below it. Raises OutputError E502 in a folder that is gone."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except FileNotFoundError as error:
        message = "the folder that the command runs in is gone."
        raise OutputError(message, code="E502", hint="cd to one that exists.") from error


def _fill(template: str, fields: dict[str, str]) -> str:
    try:
        asked = [parts[1:] for parts in string.Formatter().parse(template) if parts[1] is not None]
    except ValueError as error:
        raise SettingsError(f'--name "{template}": {error}.', code="E422") from error
    for name, form, conversion in asked:
        if name not in fields or form or conversion:
            known = ", ".join(f"{{{field}}}" for field in TEMPLATE_FIELDS)
            message = f'--name "{template}": there is no field "{name}".'
            raise SettingsError(message, code="E422", hint=f"fields: {known}")
    return template.format(**fields)


def settle_existing(paths: MixPaths, if_exists: IfExists, *, terms: bool = False) -> MixPaths | None:
    """What to do about a mix that is already there; None means: leave it, the song is skipped.

    With `terms` their folder counts as well; one that holds anything but WAV files is never replaced.
    Raises OutputError E501 for `error`, and E502 when the output is a folder.
    """
    if paths.audio.is_dir():
        raise OutputError(f'"{paths.audio}" is a folder, not a file.', code="E502", hint="another --out.")
    if if_exists == "number":
        candidate, number = paths, 2
        while _taken(candidate, terms):
            candidate = MixPaths(audio=paths.audio.with_stem(f"{paths.audio.stem} ({number})"))
            number += 1
        return candidate
    if terms and _holds_other_files(paths.terms):
        message = f'"{paths.terms}" holds other files than terms.'
        raise OutputError(message, code="E501", hint="another --out or --name.")
    taken = _taken(paths, terms)
    if taken is None or if_exists == "overwrite":
        return paths
    if if_exists == "skip":
        return None
    raise OutputError(f'"{taken}" exists.', code="E501", hint="--force, --if-exists skip, or another --out.")


def _taken(paths: MixPaths, terms: bool) -> Path | None:
    """What of a mix is already there."""
    files = [paths.audio, *([paths.terms] if terms else [])]
    return next((path for path in files if os.path.lexists(path)), None)


def _holds_other_files(folder: Path) -> bool:
    if not os.path.lexists(folder):
        return False
    return not folder.is_dir() or any(path.suffix != ".wav" or path.is_dir() for path in folder.iterdir())
