"""What a user may say about the songs a model is trained on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from mixcli.settings import RuleSettings
from mixcli.songs.dataset_song import DatasetLayout
from mixcli.training.unmix_options import UnmixOptions


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """How songs are found, split and prepared.

    `layout` "auto" looks at the folders. `validation` and `test` are a share of the hours (by whole groups),
    or a text file with one song per line. `published_parts` keeps the parts that a data set comes with;
    `leave_out` names groups (an artist, "drummer_3") that are the test part. `include` and `exclude` are
    patterns of song names. `drums` chooses between the two mixes of ENST-drums, `medleydb` between its raw
    recordings and its processed stems. `equal_loudness` takes mixes that only sum stems of one loudness
    (Slakh2100) as examples, and so does that layout where it is named. `wet_stems` un-mixes the stems and
    takes their sum as the target, `unmix` says how. `longest_s` cuts longer songs, `shortest_s` leaves
    shorter ones out, `most_songs` stops there.
    `target_level` "mix" leaves the target as loud as the mix is, "stems" brings it to the level of the sum of
    the stems, "peak" to a peak of full scale (as the paper's code does). `repair` reads samples that are not
    finite as silence. `rules` are those of the console, for networks that work behind it.
    """

    layout: DatasetLayout | Literal["auto"] = "auto"
    validation: float | Path = 0.1
    test: float | Path = 0.0
    published_parts: bool = True
    leave_out: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    seed: int = 0
    drums: Literal["dry", "wet"] = "wet"
    medleydb: Literal["raw", "stems"] = "raw"
    equal_loudness: bool = False
    wet_stems: bool = False
    unmix: UnmixOptions = field(default_factory=UnmixOptions)
    target_level: Literal["mix", "stems", "peak"] = "mix"
    longest_s: float | None = None
    shortest_s: float = 0.4
    most_songs: int | None = None
    repair: bool = False
    rules: RuleSettings = field(default_factory=RuleSettings)
