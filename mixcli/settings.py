"""Every setting of a mix, typed and checked once at the edge, and the presets that hold them."""

from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mixcli.errors import SettingsError
from mixcli.strict_yaml import load_mapping, refuse_words_for_numbers, validate

DEFAULT_PRESET = "streaming"
MAX_PRESET_BYTES = 64 * 1024

SampleRateHz = Annotated[int, Field(ge=8_000, le=384_000)]


class Settings(BaseModel):
    """All settings are frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, values: Any) -> Any:
        return refuse_words_for_numbers(cls, values)


class MixSettings(Settings):
    """What the listener wants of a finished mix."""

    lufs: float | None = Field(
        -14.0, ge=-60, le=0, description="integrated loudness; off: only the peaks are set"
    )
    true_peak_dbtp: float = Field(-1.0, ge=-20, le=0, description="ceiling of the true peak")
    loudness_mode: Literal["gain", "limit", "measure"] = "limit"
    limit_db: float = Field(6.0, ge=0, le=20, description="the most the limiter may take")
    tolerance_lu: float = Field(0.2, ge=0.05, le=3, description="how far from the target --strict forgives")
    sample_rate: Literal["source"] | SampleRateHz = "source"
    bit_depth: Literal["16", "24", "32f"] = "24"
    format: Literal["wav", "flac"] = "wav"
    dither: Literal["auto", "tpdf", "none"] = "auto"
    model: str | None = Field(
        None, description="name or path of a model; null: the default if it is installed"
    )
    amount: float = Field(1.0, ge=0, le=1.5, description="0 is the console alone")


class Preset(Settings):
    """A named set of settings with its source."""

    description: str
    source: str
    checked: date
    mix: MixSettings = MixSettings()


def presets_folder() -> Path:
    """Where the presets lie: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / "presets"
    return installed if installed.is_dir() else package.parent / "presets"


def preset_names() -> list[str]:
    """The names of the presets that come with mixcli, in alphabetical order."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))


def preset_path(name_or_path: str) -> Path:
    """Find a preset by its name or as a YAML file. Raises SettingsError E412 with the nearest name."""
    if name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        if path.is_file():
            return path
        raise SettingsError(f'no preset file "{name_or_path}".', code="E412", hint="mixcli presets list")
    if name_or_path in preset_names():
        return presets_folder() / f"{name_or_path}.yaml"
    near = get_close_matches(name_or_path, preset_names(), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise SettingsError(f'no preset "{name_or_path}".', code="E412", hint=f"{hint}mixcli presets list")


def load_preset(name_or_path: str) -> Preset:
    """Read and check a preset. Raises SettingsError E411 or E412."""
    path = preset_path(name_or_path)
    return validate(Preset, load_mapping(path, max_bytes=MAX_PRESET_BYTES), source=f'"{path.name}"')


def override(
    settings: MixSettings, given: Mapping[str, Any], *, source: str = "the command line"
) -> MixSettings:
    """Settings with the given values, checked, in place of their own."""
    return validate(MixSettings, settings.model_dump() | dict(given), source=source)


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Turn `--set mix.limit_db=9` into {"limit_db": 9}; values are read as YAML scalars."""
    import yaml

    given: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip().removeprefix("mix.")
        if not equals:
            raise SettingsError(f'--set "{assignment}" has no "=".', code="E413", hint="--set mix.limit_db=9")
        if key not in MixSettings.model_fields:
            near = get_close_matches(key, MixSettings.model_fields, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(MixSettings.model_fields)}"
            raise SettingsError(f'--set: unknown key "{key}".', code="E411", hint=hint)
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise SettingsError(f'--set "{assignment}": the value cannot be read.', code="E413") from error
        # bit depths are words ("16", "24", "32f"), but YAML reads digits as a number
        given[key] = str(value) if key == "bit_depth" else value
    return given
