"""Every setting of a mix and of training, typed and checked once at the edge, and the presets of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mixcli.errors import SettingsError
from mixcli.strict_yaml import load_mapping, refuse_words_for_numbers, validate

DEFAULT_PRESET = "streaming"
MAX_PRESET_BYTES = 64 * 1024

Kind = Literal["delivery", "style", "training"]
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


class RuleSettings(Settings):
    """What may be turned on the console's rules as a whole: style, taste, and how much of each rule is used.

    Levels are added to what the rules decide for a song; strengths of 0 switch a rule off and 1 is all of it.
    """

    vocals_db: float = Field(0.0, ge=-12, le=12, description="level of the voices, added to the rules'")
    drums_db: float = Field(0.0, ge=-12, le=12, description="level of the drums, added to the rules'")
    bass_db: float = Field(0.0, ge=-12, le=12, description="level of the bass, added to the rules'")
    other_db: float = Field(0.0, ge=-12, le=12, description="level of all else, added to the rules'")
    width_db: float = Field(0.0, ge=-60, le=12, description="added to the side that the rules make")
    pan_scale: float = Field(1.0, ge=0, le=4, description="times every pan that the rules choose")
    reverb_db: float = Field(0.0, ge=-60, le=12, description="added to every reverb send")
    reverb: Literal["plate", "room"] = Field("plate", description="kind of the shared reverb")
    decay_s: float = Field(1.2, gt=0.05, le=10, description="reverb time, -60 dB")
    compression: float = Field(0.5, ge=0, le=2, description="strength of the compression of stems")
    equaliser: float = Field(0.0, ge=0, le=1, description="correction towards the role's usual spectrum")
    masking: float = Field(0.0, ge=0, le=1, description="room made for the lead, and for kick and bass")
    rides: float = Field(0.0, ge=0, le=1, description="slow level rides of the lead voice")
    bus_compression: float = Field(0.0, ge=0, le=1, description="strength of the mix bus compressor")
    bus_tone: float = Field(0.0, ge=0, le=1, description="mix bus towards the tone of released music")
    keep_balance: float = Field(0.0, ge=0, le=1, description="how much of the incoming balance is kept")
    max_gain_db: float = Field(30.0, ge=0, le=120, description="the most a stem is ever turned up")


class TrainSettings(Settings):
    """How a network learns: what is lost where it errs, how it steps, how long, and on what pieces.

    A step takes `batch_size` pieces; an epoch is `steps_per_epoch` steps and ends with a validation. What
    belongs to the machine (device, precision, threads) is not here.
    """

    model: Literal["base", "paper", "toolkit", "demucs"] = Field("base", description="which network")
    l1: float = Field(0.0, ge=0, le=100, description="weight of the mean absolute error of the samples")
    sdr: float = Field(0.0, ge=0, le=100, description="weight of the error's energy, as -SDR in dB / 10")
    stft: float = Field(1.0, ge=0, le=100, description="weight of the spectra of sum and difference")
    sides: float = Field(0.0, ge=0, le=100, description="weight of the same on left and right by themselves")
    features: float = Field(0.0, ge=0, le=100, description="weight of levels, width and spectra as a whole")
    residual: float = Field(0.0, ge=0, le=100, description="weight of the residual, against its bus")
    stft_sizes: tuple[Annotated[int, Field(ge=16, le=65_536)], ...] = Field(
        (512, 2048, 8192), min_length=1, max_length=8, description="samples of the windows"
    )
    stft_hop: float = Field(0.25, gt=0, le=1, description="step from window to window, of its length")
    gain_match: bool = Field(False, description="the best gain on the mix before it is compared")
    optimizer: Literal["adam", "adamw"] = Field("adam", description="how steps are made of gradients")
    lr: float = Field(1e-4, gt=0, le=1, description="step size, after the warm-up")
    weight_decay: float = Field(0.0, ge=0, le=1, description="of adamw")
    warmup_steps: int = Field(0, ge=0, le=1_000_000, description="steps in which lr rises from 0")
    schedule: Literal["constant", "cosine", "steps", "two-stage"] = Field(
        "constant", description="cosine: down to 0; steps: a tenth at 85 % and 95 %; two-stage: see final_lr"
    )
    final_lr: float = Field(1e-5, gt=0, le=1, description="lr of the second stage, from the best weights on")
    clip: float | None = Field(None, gt=0, le=1e6, description="the most the gradient's norm may be")
    batch_size: int = Field(16, ge=1, le=4096, description="pieces a step, over all processes")
    accumulate: int = Field(1, ge=1, le=4096, description="parts a batch is taken in, to save memory")
    segment_s: float = Field(2.0, ge=0.05, le=600, description="seconds of mix in a piece, at least")
    steps_per_epoch: int = Field(500, ge=1, le=1_000_000, description="steps from one validation to the next")
    epochs: int = Field(100, ge=1, le=1_000_000, description="the most epochs")
    steps: int | None = Field(None, ge=1, le=1_000_000_000, description="the most steps; null: by epochs")
    patience: int | None = Field(None, ge=1, le=1_000_000, description="epochs without a better validation")
    ema: float = Field(0.0, ge=0, lt=1, description="share kept in the running mean of the weights; 0: none")
    linear_start: bool = Field(True, description="begin with the best fixed gains from inputs to outputs")
    linear_start_s: float = Field(3600.0, gt=0, le=1e6, description="seconds of songs the gains come from")
    ridge: float = Field(1e-4, ge=0, le=1, description="pull of these gains to none, of the inputs' power")
    validation_s: float | None = Field(60.0, ge=0.1, description="seconds of a song; null: the whole of it")
    swap: float = Field(0.0, ge=0, le=1, description="share of pieces with left and right swapped")
    polarity: float = Field(0.0, ge=0, le=1, description="share of pieces turned upside down")
    gain_jitter_db: float = Field(0.0, ge=0, le=24, description="inputs are turned up or down by so much")
    drop_input: float = Field(0.0, ge=0, le=0.9, description="share of inputs (or buses) that are left out")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="of all that is random")


PARTS: Mapping[str, Collection[str]] = {"mix": MixSettings.model_fields, "rules": RuleSettings.model_fields}


class Preset(Settings):
    """A named set of settings with its source: what a mix is delivered as, its style, or how to train.

    `model` holds what training changes about the network that `train.model` names, as `--set model.depth=8`
    does; it is checked when the network is known.
    """

    description: str
    source: str
    checked: date
    mix: MixSettings = MixSettings()
    rules: RuleSettings = RuleSettings()
    train: TrainSettings = TrainSettings()
    model: dict[str, Any] = Field(default={}, max_length=64)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """`delivery` where it names any key of `mix`, `style` where any of `rules`, else `training`."""
        named: dict[Kind, bool] = {
            "delivery": bool(self.mix.model_fields_set),
            "style": bool(self.rules.model_fields_set),
            "training": bool(self.train.model_fields_set or self.model),
        }
        return tuple(kind for kind, is_named in named.items() if is_named)


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


def preset_values(names_or_paths: Iterable[str], part: Literal["mix", "rules"]) -> dict[str, Any]:
    """What several presets set of one part: in their order, each only the keys that it names.

    Raises SettingsError E411 or E412, and E425 for a preset of training.
    """
    values: dict[str, Any] = {}
    for name_or_path in names_or_paths:
        preset = load_preset(name_or_path)
        if preset.kinds == ("training",):
            message = f'the preset "{name_or_path}" is for training alone.'
            raise SettingsError(message, code="E425", hint="mixcli train DATASET --preset takes it.")
        settings: Settings = preset.mix if part == "mix" else preset.rules
        values |= settings.model_dump(exclude_unset=True)
    return values


Chosen = TypeVar("Chosen", MixSettings, RuleSettings, TrainSettings)


def override(settings: Chosen, given: Mapping[str, Any], *, source: str = "the command line") -> Chosen:
    """Settings with the given values, checked, in place of their own."""
    return validate(type(settings), settings.model_dump() | dict(given), source=source)


def parse_assignments(assignments: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turn `--set mix.limit_db=9` and `--set rules.reverb_db=+3` into settings of mix and of rules.

    The part before the point may be left out. Values are read as YAML scalars.
    """
    given: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
    for key, value in _read_assignments(assignments, "mix.limit_db=9"):
        part, name = _place_of(key, PARTS)
        # bit depths are words ("16", "24", "32f"), but YAML reads digits as a number
        given[part][name] = str(value) if name == "bit_depth" else value
    return given["mix"], given["rules"]


def parse_training_assignments(assignments: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Turn `--set train.lr=1e-4` and `--set model.depth=8` into settings of training and of the network.

    `train.` may be left out; the keys of `model.` are checked by who knows the network. Raises SettingsError.
    """
    train: dict[str, Any] = {}
    model: dict[str, Any] = {}
    for key, value in _read_assignments(assignments, "train.lr=1e-4"):
        if key.startswith("model."):
            model[key.removeprefix("model.")] = value
        else:
            train[_place_of(key, {"train": TrainSettings.model_fields})[1]] = value
    return train, model


def _read_assignments(assignments: Iterable[str], example: str) -> Iterator[tuple[str, Any]]:
    """The keys and values of `--set`. Raises SettingsError E413."""
    import yaml

    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f'--set "{assignment}" has no "=".', code="E413", hint=f"--set {example}")
        try:
            yield key.strip(), yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise SettingsError(f'--set "{assignment}": the value cannot be read.', code="E413") from error


def _place_of(key: str, parts: Mapping[str, Collection[str]]) -> tuple[str, str]:
    """The part and the name of a key of `--set`. Raises SettingsError E411 with the nearest."""
    places = {f"{part}.{name}": (part, name) for part, fields in parts.items() for name in fields}
    by_name = {name: place for place, (_, name) in places.items()}  # no name is in both parts
    place = key if "." in key else by_name.get(key, key)
    if place in places:
        return places[place]
    near = get_close_matches(key.rpartition(".")[2], by_name, n=1)
    hint = f'did you mean "{by_name[near[0]]}"?' if near else f"known: {', '.join(places)}"
    raise SettingsError(f'--set: unknown key "{key}".', code="E411", hint=hint)
