"""Keeping the balance that stems come with: a recipe taken back towards the plain sum of its stems."""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from mixcli.audio.decibels import amplitude_to_db
from mixcli.console.levels import sum_loudness
from mixcli.console.recipe import (
    BandCurve,
    BusRecipe,
    CompressorRecipe,
    EqualiserBandRecipe,
    ExpanderRecipe,
    MixBusRecipe,
    Recipe,
    RecipePart,
    StemRecipe,
)
from mixcli.console.stem_rules import StemSound, share_of
from mixcli.songs.survey import Survey

SWITCHED_AT = 0.5  # polarity and delay are the rules' below it and the stem's own from there on: no halves
LOWEST_DB = -120.0  # of a level in a recipe
LOWEST_PASS_HZ = 5.0  # a high-pass below it changes nothing that is heard
HIGHEST_PASS_SHARE = 0.45  # of the sample rate, for a low-pass

Group = BusRecipe | MixBusRecipe
Part = TypeVar("Part", bound=RecipePart)


def keep_balance(recipe: Recipe, survey: Survey, share: float) -> Recipe:
    """A recipe that keeps a share, 0 to 1, of the levels, the panning and the tone that the stems come with.

    With 0 it is the recipe as it was, with 1 the plain sum of the stems: one gain for all, no pan, width,
    high-pass, effect or reverb. Between, with r = 1 - share, gains go in dB from the recipe's to the common
    one, pans and the gains of equaliser bands are r times what they were, the reduction of dynamics r times
    what it was, made sides and sends fall by 20 log10 r, and passes move out of the way. The common gain
    makes the plain sum as loud as the recipe's mix. Mutes stay as they are.
    """
    if share == 0:
        return recipe
    common_db = _common_gain_db(recipe, survey)
    rate = recipe.sample_rate
    return _with(
        recipe,
        stems={name: _stem(stem, common_db, share, rate) for name, stem in recipe.stems.items()},
        buses={name: _bus(bus, share, rate) for name, bus in recipe.buses.items()},
        mix_bus=_changed(recipe.mix_bus, _effects(recipe.mix_bus, 1.0 - share, rate), share),
    )


def _common_gain_db(recipe: Recipe, survey: Survey) -> float:
    """The gain that makes the plain sum as loud as the recipe's mix; 0 where either has no loudness."""
    gains_db, shares, plain = {}, {}, {}
    for name, stem in recipe.stems.items():
        if stem.mute or recipe.buses[stem.bus].mute:
            continue
        gains_db[name] = stem.gain_db + recipe.buses[stem.bus].gain_db
        sound = StemSound(
            side_from_mid_db=stem.side_from_mid_db,
            side_gain_db=stem.side_gain_db,
            equaliser=tuple(stem.equaliser),
            compressor=stem.compressor,
        )
        shares[name] = share_of(name, sound, stem.polarity, survey)
        plain[name] = share_of(name, StemSound(), 1, survey)
    mixed = sum_loudness(gains_db, survey, shares)
    unmixed = sum_loudness(dict.fromkeys(gains_db, 0.0), survey, plain)
    common_db = mixed - unmixed
    return round(common_db, 2) if math.isfinite(common_db) else 0.0


def _stem(stem: StemRecipe, common_db: float, share: float, sample_rate: int) -> StemRecipe:
    rest = 1.0 - share
    changes: dict[str, Any] = {
        "gain_db": round(rest * stem.gain_db + share * common_db, 2),
        "high_pass_hz": _moved_down(stem.high_pass_hz, rest),
        "expander": _expander(stem.expander, rest),
        "side_from_mid_db": _curve_lowered(stem.side_from_mid_db, rest),
        "side_gain_db": _curve_scaled(stem.side_gain_db, rest),
        "pan": round(stem.pan * rest, 4),
        "reverb_send_db": _lowered(stem.reverb_send_db, rest),
        **_effects(stem, rest, sample_rate),
    }
    if rest:
        changes["rides"] = [_with(point, gain_db=round(point.gain_db * rest, 2)) for point in stem.rides]
    else:
        changes["rides"] = []
    if share >= SWITCHED_AT:
        changes |= {"polarity": 1, "delay_ms": 0.0}
    changed = _changed(stem, changes, share)
    own = f"{stem.reasons['gain_db']}; " if "gain_db" in stem.reasons and share < 1 else ""
    reason = f"{own}{_kept(share)}: {common_db:+.1f} dB for all stems alike"
    return _with(changed, reasons=changed.reasons | {"gain_db": reason})


def _bus(bus: BusRecipe, share: float, sample_rate: int) -> BusRecipe:
    rest = 1.0 - share
    changes = {"gain_db": round(bus.gain_db * rest, 2), **_effects(bus, rest, sample_rate)}
    return _changed(bus, changes, share)


def _effects(part: StemRecipe | Group, rest: float, sample_rate: int) -> dict[str, Any]:
    """Equaliser and compressor of a part, `rest` times as strong."""
    bands = [_band(band, rest, sample_rate) for band in part.equaliser]
    return {
        "equaliser": [band for band in bands if band is not None],
        "compressor": _compressor(part.compressor, rest),
    }


def _band(band: EqualiserBandRecipe, rest: float, sample_rate: int) -> EqualiserBandRecipe | None:
    if rest == 0:
        return None
    if band.kind == "high_pass":
        frequency_hz = _moved_down(band.frequency_hz, rest)
        return None if frequency_hz is None else _with(band, frequency_hz=frequency_hz)
    if band.kind == "low_pass":
        raised_hz = round(band.frequency_hz / rest, 1)
        out_of_reach = raised_hz > max(HIGHEST_PASS_SHARE * sample_rate, band.frequency_hz)
        return None if out_of_reach else _with(band, frequency_hz=raised_hz)
    return _with(band, gain_db=round(band.gain_db * rest, 2))


def _compressor(compressor: CompressorRecipe | None, rest: float) -> CompressorRecipe | None:
    """A compressor that takes `rest` times as many dB: (1 - 1 / ratio) is dB taken per dB above."""
    if compressor is None or rest == 0:
        return None
    most_db = compressor.most_reduction_db
    return _with(
        compressor,
        ratio=round(1 / (1 - rest * (1 - 1 / compressor.ratio)), 4),
        make_up_db=round(compressor.make_up_db * rest, 2),
        most_reduction_db=None if most_db is None else round(most_db * rest, 2),
    )


def _expander(expander: ExpanderRecipe | None, rest: float) -> ExpanderRecipe | None:
    """An expander that takes `rest` times as many dB: (ratio - 1) is dB taken per dB below."""
    if expander is None or rest == 0:
        return None
    ratio = round(1 + rest * (expander.ratio - 1), 4)
    return _with(expander, ratio=ratio, range_db=round(expander.range_db * rest, 2))


def _moved_down(frequency_hz: float | None, rest: float) -> float | None:
    lowered_hz = 0.0 if frequency_hz is None else round(frequency_hz * rest, 1)
    return lowered_hz if lowered_hz >= LOWEST_PASS_HZ else None


def _lowered(level_db: float | None, rest: float) -> float | None:
    if level_db is None or rest == 0:
        return None
    return max(LOWEST_DB, round(level_db + amplitude_to_db(rest), 2))  # -inf smoothly as nothing is left


def _curve_lowered(curve_db: BandCurve | None, rest: float) -> BandCurve | None:
    if curve_db is None or rest == 0:
        return None
    return {
        hz: max(LOWEST_DB, round(level_db + amplitude_to_db(rest), 2)) for hz, level_db in curve_db.items()
    }


def _curve_scaled(curve_db: BandCurve | None, rest: float) -> BandCurve | None:
    if curve_db is None or rest == 0:
        return None
    return {hz: round(level_db * rest, 2) for hz, level_db in curve_db.items()}


def _kept(share: float) -> str:
    return f"{share:.0%} of the incoming balance kept"


def _changed(part: Part, changes: Mapping[str, Any], share: float) -> Part:
    """A part with its changes, and the reasons of what is left of its moves; none for what is gone."""
    reasons: dict[str, str] = {}
    for key, reason in getattr(part, "reasons", {}).items():
        if key not in changes or changes[key] == getattr(part, key):
            reasons[key] = reason
        elif changes[key] and share < 1:
            reasons[key] = f"{reason}; {_kept(share)}"
    return _with(part, **changes, reasons=reasons)


def _with(part: Part, **changes: Any) -> Part:
    return part.model_copy(update=changes)
