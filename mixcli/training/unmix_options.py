"""How far stems of finished mixes are taken back to something like recordings."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class UnmixOptions:
    """What is drawn for every stem of every variant; 0 switches a step off.

    `variants`: how many songs are made of one. `level_lufs` ± `level_jitter_db`: the loudness stems are
    brought to. `mono_share`: how many stems are folded to mono; of the others the width is scaled by up to
    ±`width_db` and the sides by up to ±`balance_db`. `equaliser_db`: the most each of three bands is changed.
    `dynamics`: the most that level differences are stretched or squeezed, as a share. `reverb_share`: how
    many stems get a plate, at `reverb_db` (lowest, highest) re the stem.
    """

    variants: int = 4
    level_lufs: float = -25.0
    level_jitter_db: float = 6.0
    mono_share: float = 0.5
    width_db: float = 6.0
    balance_db: float = 3.0
    equaliser_db: float = 6.0
    dynamics: float = 0.3
    reverb_share: float = 0.25
    reverb_db: tuple[float, float] = (-30.0, -14.0)
