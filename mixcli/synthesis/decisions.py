"""Everything the scripted engineer decides for one session, as numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

from mixcli.audio.compressor import CompressorSettings
from mixcli.audio.equaliser import EqualiserBand
from mixcli.audio.expander import ExpanderSettings


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One microphone in the mix. A dry mix has its gain, pan and polarity alone.

    `pan` is from -1 (left) to 1 (right); the high-pass is one of the bands.
    """

    gain_db: float
    pan: float = 0.0
    polarity: int = 1
    bands: tuple[EqualiserBand, ...] = ()
    expander: ExpanderSettings | None = None
    compressor: CompressorSettings | None = None
    send_db: float | None = None  # to the plate, after gain and effects


@dataclass(frozen=True, kw_only=True)
class Plate:
    """The plate all sends go to: which of those there are (from 0 to 1), or one of our own making."""

    which: float
    decay_s: float
    pre_delay_ms: float
    low_cut_hz: float


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """A whole mix: the strips of the microphones that are used, and what is done to their sum.

    `bus` has its threshold in dB of the level that the sum is at nine tenths of the time.
    """

    strips: Mapping[str, Strip]
    plate: Plate
    bus: CompressorSettings
    peak_dbfs: float
