"""What a measure is: its key, its unit and which way is better."""

from dataclasses import dataclass
from typing import Literal

Family = Literal[
    "nearness",  # distances by what an engineer sets: balance, tone, width, image, dynamics
    "compatible",  # the field's feature set as its programs compute it
    "robust",  # the same features as errors in natural units
    "loudness",
    "waveform",
    "alone",  # needs no reference
    "artefacts",
    "set",  # of a set of mixes, not of one
]
Better = Literal["lower", "higher", "neither"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number that `eval` gives: its key in tables, CSV, JSON and `--fail-if`, and what it says.

    `better` is "neither" for values that are told but not compared, such as the loudness itself. `source` is
    the paper, standard or program that defines it.
    """

    key: str
    unit: str
    family: Family
    better: Better
    text: str
    source: str
