"""The rules: from what a song's stems are and how they sound to a recipe, every move with its reason.

No rule looks at the order of the files, the folder's name or the time; what is decided is rounded first, so
that the recipe's file renders the same samples.
"""

import zlib
from collections.abc import Mapping

from mixcli.console.alignment import AlignmentMove, alignment_moves
from mixcli.console.bus_rules import choose_bus_compressor, choose_bus_equaliser
from mixcli.console.levels import Level, stem_levels
from mixcli.console.masking import Dip, make_room
from mixcli.console.panning import Pan, is_wide, pan_sources
from mixcli.console.recipe import (
    BusRecipe,
    MixBusRecipe,
    Recipe,
    ReverbRecipe,
    RidePoint,
    StemRecipe,
)
from mixcli.console.rule_table import rule_of
from mixcli.console.sources import Source, group_sources, is_wet, opposite_sides
from mixcli.console.stem_rules import StemSound, shape_stem, share_of
from mixcli.console.vocal_rides import ride_lead
from mixcli.settings import RuleSettings
from mixcli.songs.mic_pairs import PairMeasurements
from mixcli.songs.roles import BUSES, bus_of
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import Survey

DEFAULT_SETTINGS = RuleSettings()
NO_MOVE = AlignmentMove()
NO_PAIRS = PairMeasurements()


def make_recipe(
    song: Song,
    survey: Survey,
    *,
    settings: RuleSettings = DEFAULT_SETTINGS,
    pairs: PairMeasurements = NO_PAIRS,
) -> Recipe:
    """Decide the recipe of a song at the survey's sample rate; every stem of it must be in the survey.

    `pairs` is how microphones that hear one thing lie to each other; without it none is moved or turned over.
    """
    sources = group_sources(song.stems)
    aligned = alignment_moves(sources, pairs)
    one_sided = opposite_sides(source for source in sources if not is_wide(source, survey))
    sounds = {
        stem.name: shape_stem(stem, survey, settings, one_sided=stem.name in one_sided) for stem in song.stems
    }
    shares = {
        name: share_of(name, sound, aligned.get(name, NO_MOVE).polarity, survey)
        for name, sound in sounds.items()
    }
    levels = stem_levels(sources, survey, shares, settings)
    gains_db = {name: level.gain_db for name, level in levels.items()}
    pans = pan_sources(sources, survey, settings, gains_db, one_sided=one_sided)
    roles = {stem.name: stem.role for stem in song.stems}
    room = make_room(roles, gains_db, survey, settings)
    return Recipe(
        song=song.name,
        sample_rate=survey.sample_rate,
        stems={
            stem.name: _stem_recipe(
                stem,
                files=[file.path.relative_to(song.folder).as_posix() for file in stem.files],
                aligned=aligned.get(stem.name, NO_MOVE),
                level=levels[stem.name],
                sound=sounds[stem.name],
                dip=room.get(stem.name),
                pan=pans.get(stem.name),
                ride=ride_lead(stem.name, roles, gains_db, survey, settings),
                settings=settings,
            )
            for stem in _in_order(sources)
        },
        buses={bus: BusRecipe() for bus in BUSES},
        reverb=ReverbRecipe(kind=settings.reverb, decay_s=settings.decay_s),
        mix_bus=_mix_bus(gains_db, survey, settings),
        excluded={excluded.name: f"{excluded.why}: {excluded.detail}" for excluded in song.excluded},
    )


def _in_order(sources: list[Source]) -> list[Stem]:
    """All stems by bus, then role, then name: an order that no folder has a say in."""
    stems = [stem for source in sources for stem in source.stems]
    return sorted(stems, key=lambda stem: (BUSES.index(bus_of(stem.role)), stem.role, stem.name))


def _stem_recipe(
    stem: Stem,
    *,
    files: list[str],
    aligned: AlignmentMove,
    level: Level,
    sound: StemSound,
    dip: Dip | None,
    pan: Pan | None,
    ride: tuple[list[tuple[float, float]], str] | None,
    settings: RuleSettings,
) -> StemRecipe:
    rule = rule_of(stem.role)
    reasons = {"gain_db": level.reason, **aligned.reasons, **sound.reasons}
    bands = list(sound.equaliser)
    if dip is not None:
        bands += dip.bands
        reasons["equaliser"] = "; ".join(part for part in (reasons.get("equaliser"), dip.reason) if part)
    if pan is not None:
        reasons["pan"] = pan.reason
    if ride is not None:
        reasons["rides"] = ride[1]
    send_db = None
    if rule.send_db is not None and not is_wet(stem):
        send_db = round(max(rule.send_db + settings.reverb_db, -120.0), 2)
        reasons["reverb_send_db"] = f"{stem.role}: {send_db:g} re its dry sound"
    return StemRecipe(
        files=files,
        role=stem.role,
        bus=bus_of(stem.role),
        offset=stem.offset,
        delay_ms=aligned.delay_ms,
        polarity=aligned.polarity,
        gain_db=level.gain_db,
        rides=[RidePoint(time_s=time_s, gain_db=gain_db) for time_s, gain_db in (ride[0] if ride else [])],
        high_pass_hz=sound.high_pass_hz,
        expander=sound.expander,
        equaliser=bands,
        compressor=sound.compressor,
        side_from_mid_db=sound.side_from_mid_db,
        decorrelation_seed=zlib.crc32(stem.name.encode("utf-8", "surrogateescape")),
        side_gain_db=sound.side_gain_db,
        pan=0.0 if pan is None else pan.pan,
        reverb_send_db=send_db,
        reasons=reasons,
    )


def _mix_bus(gains_db: Mapping[str, float], survey: Survey, settings: RuleSettings) -> MixBusRecipe:
    equaliser = choose_bus_equaliser(gains_db, survey, settings)
    compressor = choose_bus_compressor(gains_db, survey, settings)
    chosen = {"equaliser": equaliser, "compressor": compressor}
    return MixBusRecipe(
        equaliser=equaliser[0] if equaliser else [],
        compressor=compressor[0] if compressor else None,
        reasons={key: choice[1] for key, choice in chosen.items() if choice is not None},
    )
