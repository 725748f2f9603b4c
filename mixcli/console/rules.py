"""The rules: from what a song's stems are and how they sound to a recipe, every move with its reason.

No rule looks at the order of the files, the folder's name or the time; what is decided is rounded first, so
that the recipe's file renders the same samples.
"""

import zlib

from mixcli.console.levels import Level, StemShare, stem_levels
from mixcli.console.panning import Pan, is_wide, pan_sources
from mixcli.console.polarity import polarity_moves
from mixcli.console.recipe import BandCurve, BusRecipe, Recipe, StemRecipe
from mixcli.console.rule_table import RuleSettings, rule_of
from mixcli.console.sources import Source, group_sources, is_wet, opposite_sides
from mixcli.console.widening import is_mono, loudness_shares, made_side, moved_side
from mixcli.songs.roles import BUSES, bus_of
from mixcli.songs.song import Song, Stem
from mixcli.songs.stem_survey import FAULTY_DC
from mixcli.songs.survey import Survey

DEFAULT_SETTINGS = RuleSettings()
DC_HIGH_PASS_HZ = 20.0  # below all music, yet gone within a few cycles


def make_recipe(song: Song, survey: Survey, *, settings: RuleSettings = DEFAULT_SETTINGS) -> Recipe:
    """Decide the recipe of a song at the survey's sample rate; every stem of it must be in the survey."""
    sources = group_sources(song.stems)
    polarity = polarity_moves(sources, survey)
    one_sided = opposite_sides(source for source in sources if not is_wide(source, survey))
    widths = {
        stem.name: _width(stem, survey, settings, one_sided=stem.name in one_sided) for stem in song.stems
    }
    shares = {}
    for stem in song.stems:
        made, moved = widths[stem.name]
        energy, mid_energy = loudness_shares(survey.stems[stem.name], made, moved)
        shares[stem.name] = StemShare(-1 if stem.name in polarity else 1, energy, mid_energy)
    levels = stem_levels(sources, survey, shares, settings)
    pans = pan_sources(sources, survey, settings, one_sided=one_sided)
    return Recipe(
        song=song.name,
        sample_rate=survey.sample_rate,
        stems={
            stem.name: _stem_recipe(
                stem,
                files=[file.path.relative_to(song.folder).as_posix() for file in stem.files],
                polarity_reason=polarity.get(stem.name),
                level=levels[stem.name],
                width=widths[stem.name],
                pan=pans.get(stem.name),
                dc=survey.stems[stem.name].dc,
                settings=settings,
            )
            for stem in _in_order(sources)
        },
        buses={bus: BusRecipe() for bus in BUSES},
        excluded={excluded.name: f"{excluded.why}: {excluded.detail}" for excluded in song.excluded},
    )


Width = tuple[
    BandCurve | None, BandCurve | None
]  # a side made from the mid, and a change of the side there is


def _in_order(sources: list[Source]) -> list[Stem]:
    """All stems by bus, then role, then name: an order that no folder has a say in."""
    stems = [stem for source in sources for stem in source.stems]
    return sorted(stems, key=lambda stem: (BUSES.index(bus_of(stem.role)), stem.role, stem.name))


def _width(stem: Stem, survey: Survey, settings: RuleSettings, *, one_sided: bool) -> Width:
    rule, measured = rule_of(stem.role), survey.stems[stem.name]
    if is_mono(measured, stem.n_channels):
        # One side of a picture has no width of its own.
        return (None if one_sided else made_side(rule, settings)), None
    return None, moved_side(measured, rule, settings)


def _stem_recipe(
    stem: Stem,
    *,
    files: list[str],
    polarity_reason: str | None,
    level: Level,
    width: Width,
    pan: Pan | None,
    dc: float,
    settings: RuleSettings,
) -> StemRecipe:
    rule = rule_of(stem.role)
    made, moved = width
    reasons = {"gain_db": level.reason}
    if polarity_reason is not None:
        reasons["polarity"] = polarity_reason
    high_pass_hz = rule.high_pass_hz
    if high_pass_hz is not None:
        reasons["high_pass_hz"] = f"{stem.role}: nothing of it below {high_pass_hz:g} Hz"
    elif dc > FAULTY_DC:
        high_pass_hz = DC_HIGH_PASS_HZ
        reasons["high_pass_hz"] = f"its DC offset of {dc:.1%} of full scale"
    if made is not None:
        reasons["side_from_mid_db"] = f"mono: made as wide as {stem.role} usually is, nothing below 90 Hz"
    if moved is not None:
        reasons["side_gain_db"] = f"stereo: half-way to the width {stem.role} usually has, -12 below 90 Hz"
    if pan is not None:
        reasons["pan"] = pan.reason
    send_db = None
    if rule.send_db is not None and not is_wet(stem):
        send_db = round(rule.send_db + settings.reverb_db, 2)
        reasons["reverb_send_db"] = f"{stem.role}: {send_db:g} re its dry sound"
    return StemRecipe(
        files=files,
        role=stem.role,
        bus=bus_of(stem.role),
        offset=stem.offset,
        polarity=1 if polarity_reason is None else -1,
        gain_db=level.gain_db,
        high_pass_hz=high_pass_hz,
        side_from_mid_db=made,
        decorrelation_seed=zlib.crc32(stem.name.encode("utf-8", "surrogateescape")),
        side_gain_db=moved,
        pan=0.0 if pan is None else pan.pan,
        reverb_send_db=send_db,
        reasons=reasons,
    )
