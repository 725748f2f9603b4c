"""What the rules do to one stem before its level is decided: width, high-pass, effects on its own sound."""

from dataclasses import dataclass, field

from mixcli.console.band_fit import loudness_change_lu
from mixcli.console.compression import choose_compressor, expected_reduction_lu
from mixcli.console.expansion import choose_expander
from mixcli.console.levels import StemShare
from mixcli.console.recipe import BandCurve, CompressorRecipe, EqualiserBandRecipe, ExpanderRecipe
from mixcli.console.rule_table import rule_of
from mixcli.console.tone import choose_equaliser, choose_high_pass
from mixcli.console.widening import is_mono, loudness_shares, made_side, moved_side
from mixcli.settings import RuleSettings
from mixcli.songs.song import Stem
from mixcli.songs.survey import Survey


@dataclass(frozen=True)
class StemSound:
    """What is done to a stem's own sound, with the reasons by key of the recipe."""

    side_from_mid_db: BandCurve | None = None
    side_gain_db: BandCurve | None = None
    high_pass_hz: float | None = None
    expander: ExpanderRecipe | None = None
    equaliser: tuple[EqualiserBandRecipe, ...] = ()
    compressor: CompressorRecipe | None = None
    reasons: dict[str, str] = field(default_factory=dict)


def shape_stem(stem: Stem, survey: Survey, settings: RuleSettings, *, one_sided: bool) -> StemSound:
    """Decide all of it for a stem; `one_sided` says that it is one side of a picture, which has no width."""
    rule, measured = rule_of(stem.role), survey.stems[stem.name]
    reasons = {}
    made = moved = None
    if is_mono(measured, stem.n_channels):
        made = None if one_sided else made_side(rule, settings)
    else:
        moved = moved_side(measured, rule, settings)
    if made is not None:
        reasons["side_from_mid_db"] = f"mono: made as wide as {stem.role} usually is, nothing below 90 Hz"
    if moved is not None:
        reasons["side_gain_db"] = f"stereo: half-way to the width {stem.role} usually has, -12 below 90 Hz"
    high_pass = choose_high_pass(stem.role, measured.dc)
    expander = choose_expander(stem.role, measured, settings)
    equaliser = choose_equaliser(stem.role, measured, survey.sample_rate, settings)
    compressor = choose_compressor(stem.name, stem.role, survey, settings)
    for key, choice in (
        ("high_pass_hz", high_pass),
        ("expander", expander),
        ("equaliser", equaliser),
        ("compressor", compressor),
    ):
        if choice is not None:
            reasons[key] = choice[1]
    return StemSound(
        side_from_mid_db=made,
        side_gain_db=moved,
        high_pass_hz=high_pass[0] if high_pass else None,
        expander=expander[0] if expander else None,
        equaliser=tuple(equaliser[0]) if equaliser else (),
        compressor=compressor[0] if compressor else None,
        reasons=reasons,
    )


def share_of(name: str, sound: StemSound, polarity: int, survey: Survey) -> StemShare:
    """What the moves leave of a stem's energy, which its level makes up for."""
    measured = survey.stems[name]
    energy, mid_energy = loudness_shares(measured, sound.side_from_mid_db, sound.side_gain_db)
    change_lu = 0.0
    if sound.equaliser:
        change_lu += loudness_change_lu(measured.third_octaves, list(sound.equaliser), survey.sample_rate)
    if sound.compressor is not None:
        change_lu -= expected_reduction_lu(name, survey, sound.compressor)
    factor = 10 ** (change_lu / 10)
    return StemShare(polarity, energy * factor, mid_energy * factor)
