"""The recipe: all that is done to every stem, bus and the master, as a file to be edited and rendered."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from mixcli.audio.dynamics import Detector
from mixcli.audio.equaliser import PASSES, BandKind
from mixcli.songs.roles import BUSES, ROLES, nearest_role
from mixcli.strict_yaml import refuse_words_for_numbers

SCHEMA: Literal["mixcli.recipe/1"] = "mixcli.recipe/1"

MOST_BANDS = 12
MOST_RIDE_POINTS = 10_000
HIGHEST_SHELF_Q = 2.0  # above it a shelf is two bells

LevelDb = Annotated[float, Field(ge=-120, le=60, allow_inf_nan=False)]
FrequencyHz = Annotated[float, Field(gt=0, le=200_000, allow_inf_nan=False)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]
ThresholdDb = Annotated[float, Field(ge=-120, le=24, allow_inf_nan=False)]
Ratio = Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)]
AttackMs = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
HoldMs = Annotated[float, Field(ge=0, le=2000, allow_inf_nan=False)]
ReleaseMs = Annotated[float, Field(ge=0, le=5000, allow_inf_nan=False)]
ReductionDb = Annotated[float, Field(ge=0, le=120, allow_inf_nan=False)]
DecayFactor = Annotated[float, Field(ge=0.1, le=4, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
# frequency in Hz: level in dB, interpolated over log frequency, the ends held
BandCurve = Annotated[dict[FrequencyHz, LevelDb], Field(min_length=1)]


def _known_bus(name: str) -> str:
    if name not in BUSES:
        raise ValueError(f"no such bus; the buses are {', '.join(BUSES)}")
    return name


def _known_role(name: str) -> str:
    if name not in ROLES:
        raise ValueError(f"no such role; did you mean {nearest_role(name)}?")
    return name


BusName = Annotated[str, AfterValidator(_known_bus)]
RoleName = Annotated[str, AfterValidator(_known_role)]


class RecipePart(BaseModel):
    """Every part of a recipe refuses unknown keys and is never changed in place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_numbers(cls, values: Any) -> Any:
        return refuse_words_for_numbers(cls, values)


class ExpanderRecipe(RecipePart):
    """A downward expander, as `audio.expander.ExpanderSettings`: what is under the threshold gets quieter."""

    threshold_db: ThresholdDb
    ratio: Ratio = 2.0
    range_db: ReductionDb = 20.0
    attack_ms: AttackMs = 1.0
    hold_ms: HoldMs = 50.0
    release_ms: ReleaseMs = 150.0


class EqualiserBandRecipe(RecipePart):
    """One band of an equaliser, as `audio.equaliser.EqualiserBand`."""

    kind: BandKind
    frequency_hz: float = Field(ge=1, le=200_000)
    gain_db: float = Field(0.0, ge=-24, le=24)
    q: float = Field(0.7071, ge=0.1, le=20)

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "EqualiserBandRecipe":
        if self.kind in PASSES and self.gain_db != 0:
            raise ValueError(f"gain_db is {self.gain_db:g}, but a {self.kind} has none")
        if self.kind.endswith("_shelf") and self.q > HIGHEST_SHELF_Q:
            raise ValueError(f"q is {self.q:g}, but that of a {self.kind} is at most {HIGHEST_SHELF_Q:g}")
        return self


class CompressorRecipe(RecipePart):
    """A compressor, as `audio.compressor.CompressorSettings`: what is over the threshold is turned down."""

    threshold_db: ThresholdDb
    ratio: Ratio
    knee_db: float = Field(6.0, ge=0, le=48)
    attack_ms: AttackMs = 10.0
    release_ms: ReleaseMs = 120.0
    make_up_db: float = Field(0.0, ge=-24, le=24)
    detector: Detector = "rms"
    side_chain_high_pass_hz: FrequencyHz | None = None
    most_reduction_db: ReductionDb | None = None


class RidePoint(RecipePart):
    """Where a ride is at a time of the song."""

    time_s: float = Field(ge=0, le=1_000_000)
    gain_db: LevelDb


class EffectsRecipe(RecipePart):
    """A part of a recipe that may have an equaliser; `off` and null are one without a band."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_an_empty_list(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        nothing = {key for key in ("equaliser", "rides") if values.get(key, []) in (None, False)}
        return values | {key: [] for key in nothing & set(cls.model_fields)}


class StemRecipe(EffectsRecipe):
    """What the console does to one stem, in the order it is done.

    Expander and compressor hear the recording, whatever `gain_db` is: their thresholds are in dB of its full
    scale, and with either of them the gain comes after the compressor, as a fader does.
    `offset` is silence before the file, in samples at its own rate, and `delay_ms` is more of it, at any
    rate. `rides` move the fader, in straight lines in dB between their points, the ends held.
    `side_from_mid_db` makes a mono stem wide: a decorrelated copy of the mid becomes the side signal, at this
    level relative to the mid. `side_gain_db` changes the side a stereo stem already has. `reasons` says, per
    key, why.
    """

    files: list[str] = Field(min_length=1, max_length=2)
    role: RoleName
    bus: BusName
    offset: int = Field(0, ge=0, lt=2**40)
    delay_ms: float = Field(0.0, ge=0, le=100)
    mute: bool = False
    polarity: Literal[1, -1] = 1
    gain_db: LevelDb = 0.0
    high_pass_hz: FrequencyHz | None = None
    expander: ExpanderRecipe | None = None
    equaliser: list[EqualiserBandRecipe] = Field([], max_length=MOST_BANDS)
    compressor: CompressorRecipe | None = None
    rides: list[RidePoint] = Field([], max_length=MOST_RIDE_POINTS)
    side_from_mid_db: BandCurve | None = None
    decorrelation_seed: Seed = 0
    side_gain_db: BandCurve | None = None
    pan: float = Field(0.0, ge=-1, le=1)
    reverb_send_db: LevelDb | None = None
    reasons: dict[str, str] = {}

    @model_validator(mode="after")
    def _rides_go_on_in_time(self) -> "StemRecipe":
        for number, (before, point) in enumerate(pairwise(self.rides), start=1):
            if not point.time_s > before.time_s:
                raise ValueError(
                    f"rides.{number}: time_s is {point.time_s:g}, which is not after {before.time_s:g}"
                )
        return self


class BusRecipe(EffectsRecipe):
    """A group of roles. `residual_amount` scales what a network adds to this bus.

    Its equaliser and compressor work on the sum of its stems after `gain_db`; thresholds are in dB of full
    scale of that sum. What the stems send to the reverb is taken before them.
    """

    gain_db: LevelDb = 0.0
    mute: bool = False
    equaliser: list[EqualiserBandRecipe] = Field([], max_length=MOST_BANDS)
    compressor: CompressorRecipe | None = None
    residual_amount: float = Field(1.0, ge=0, le=1.5)
    reasons: dict[str, str] = {}


class ReverbRecipe(RecipePart):
    """The one shared reverb: exponentially decaying noise, of unit energy, so that sends are levels.

    Far below `low_hz` the decay takes `low_decay` times as long, far above `high_hz` `high_decay` times.
    """

    kind: Literal["plate", "room"] = "plate"
    decay_s: float = Field(1.2, gt=0.05, le=10)
    low_decay: DecayFactor = 1.0
    high_decay: DecayFactor = 1.0
    low_hz: FrequencyHz = 300.0
    high_hz: FrequencyHz = 4000.0
    pre_delay_ms: float = Field(20.0, ge=0, le=250)
    low_cut_hz: FrequencyHz = 250.0
    high_cut_hz: FrequencyHz = 7000.0
    return_db: LevelDb = 0.0
    seed: Seed = 0
    reasons: dict[str, str] = {}

    @model_validator(mode="after")
    def _its_bands_are_in_order(self) -> "ReverbRecipe":
        if not self.low_hz < self.high_hz:
            raise ValueError(f"low_hz is {self.low_hz:g}, which is not below high_hz, {self.high_hz:g}")
        return self


class MixBusRecipe(EffectsRecipe):
    """What is done to the sum of the buses and the reverb, before a network and the master."""

    equaliser: list[EqualiserBandRecipe] = Field([], max_length=MOST_BANDS)
    compressor: CompressorRecipe | None = None
    reasons: dict[str, str] = {}


class NetworkRecipe(RecipePart):
    """The network, if one took part. `sha256` is of its weights.

    Of a network that mixes stems itself: `familiarity` is how much of the song is like what it learnt from,
    a factor on the amount; `held_to` is the largest share of the mix that it may be, so that this lies no
    farther from the console's than mixes that it learnt from; and `gain_db` is on its mix, where that is
    crossfaded with the console's. None for other networks, and for what is still to be measured.
    """

    model: str | None = None
    sha256: str | None = None
    amount: float = Field(0.0, ge=0, le=1.5)
    familiarity: float | None = Field(None, ge=0, le=1)
    held_to: float | None = Field(None, ge=0, le=1.5)
    gain_db: float | None = Field(None, ge=-120, le=120)
    reasons: dict[str, str] = {}


class MasterRecipe(RecipePart):
    """What was asked of the loudness, and the gain it took (solved again whenever the recipe is rendered)."""

    target_lufs: FiniteFloat | None = None
    true_peak_dbtp: FiniteFloat | None = None
    mode: Literal["gain", "limit", "measure"] = "limit"
    limit_db: FiniteFloat = 6.0
    gain_db: FiniteFloat = 0.0
    max_reduction_db: FiniteFloat = 0.0
    reasons: dict[str, str] = {}


class Recipe(RecipePart):
    """Everything that makes a mix, in the order of the signal. The keys of `stems` are the stems' names."""

    format: Literal["mixcli.recipe/1"] = SCHEMA
    song: str
    sample_rate: int = Field(ge=8_000, le=384_000)
    stems: dict[str, StemRecipe]
    buses: dict[BusName, BusRecipe]
    reverb: ReverbRecipe = ReverbRecipe()
    mix_bus: MixBusRecipe = MixBusRecipe()
    network: NetworkRecipe = NetworkRecipe()
    master: MasterRecipe = MasterRecipe()
    excluded: dict[str, str] = {}

    @model_validator(mode="after")
    def _every_bus_is_there(self) -> "Recipe":
        for name, stem in self.stems.items():
            if stem.bus not in self.buses:
                raise ValueError(f'the bus "{stem.bus}" of the stem "{name}" is not under "buses"')
        return self
