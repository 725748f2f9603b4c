"""Room for what matters: dips where the accompaniment covers the lead voice, and where kick and bass meet.

All from third-octave energies at the gains the stems will have: which stem is louder where, not what an ear
would still make out.

Legend: B third-octave bands.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.console.recipe import EqualiserBandRecipe
from mixcli.console.rule_table import LEAD_ROLES, rule_of
from mixcli.settings import RuleSettings
from mixcli.songs.survey import Survey
from mixcli.songs.third_octaves import CENTRES_HZ

# Where words are understood: three regions with a bell each.
PRESENCE_HZ = ((900.0, 1800.0), (1800.0, 3200.0), (3200.0, 5600.0))
PRESENCE_Q = 1.4  # an octave
MARGIN_DB = 0.0  # how far under the lead the rest should be in a region
MOST_DB = 3.0
EXCESS_PER_DB = 2.0  # of what covers the lead, half is taken: it lives from being heard as well
LEAST_DB = 0.5
LEAST_SHARE = 0.15  # of the rest's energy in a region: who has less covers nothing
LOW_HZ = (35.0, 130.0)  # where the fundamentals of kick and bass lie
LOW_Q = 1.6
COVERED_DB = -6.0  # who is further below the other there does not cover it

Energies = NDArray[np.float64]


@dataclass(frozen=True)
class Dip:
    """Bands for one stem, and why."""

    bands: list[EqualiserBandRecipe]
    reason: str


def make_room(
    roles: Mapping[str, str], gains_db: Mapping[str, float], survey: Survey, settings: RuleSettings
) -> dict[str, Dip]:
    """The dips, per stem that gets any, of at most 3 dB times `settings.masking`.

    `roles` and `gains_db` are of all stems that sound. Backing voices are no cover: they belong to the lead.
    """
    if settings.masking == 0:
        return {}
    powers = {name: _power_while_it_sounds(name, gains_db[name], survey) for name in sorted(roles)}
    found: dict[str, list[tuple[EqualiserBandRecipe, str]]] = {}
    for name, band, why in (
        *_for_the_lead(roles, powers, settings, survey.sample_rate),
        *_for_kick_and_bass(roles, powers, settings),
    ):
        found.setdefault(name, []).append((band, why))
    return {
        name: Dip([band for band, _ in parts], "; ".join(dict.fromkeys(why for _, why in parts)))
        for name, parts in found.items()
    }


def _power_while_it_sounds(name: str, gain_db: float, survey: Survey) -> Energies:
    """Mean square per band over the time in which a stem is active, [B]."""
    stem = survey.stems[name]
    n_samples = max(survey.n_samples * stem.active_fraction, 1.0)
    return np.array(stem.third_octaves, np.float64) * 10 ** (gain_db / 10) / n_samples


def _for_the_lead(
    roles: Mapping[str, str], powers: Mapping[str, Energies], settings: RuleSettings, sample_rate: int
) -> list[tuple[str, EqualiserBandRecipe, str]]:
    leads = [name for name, role in sorted(roles.items()) if role in LEAD_ROLES]
    others = [name for name, role in sorted(roles.items()) if rule_of(role).family != "vocals"]
    found = []
    for low_hz, high_hz in PRESENCE_HZ if leads else ():
        inside_B = np.array([low_hz <= hertz < high_hz for hertz in CENTRES_HZ])
        lead = max(float(powers[name][inside_B].sum()) for name in leads)
        covers = {name: float(powers[name][inside_B].sum()) for name in others}
        rest = sum(covers.values())
        if lead <= 0 or rest <= 0:
            continue
        excess_db = 10 * float(np.log10(rest / lead)) + MARGIN_DB
        dip_db = round(min(excess_db / EXCESS_PER_DB, MOST_DB) * settings.masking, 1)
        if dip_db < LEAST_DB * settings.masking or dip_db < 0.1:
            continue
        centre_hz = float(f"{(low_hz * high_hz) ** 0.5:.2g}")
        if centre_hz > 0.45 * sample_rate:
            continue
        band = EqualiserBandRecipe(kind="bell", frequency_hz=centre_hz, gain_db=-dip_db, q=PRESENCE_Q)
        why = f"makes room for the lead, which the rest covers by up to {excess_db:.0f} dB"
        found += [(name, band, why) for name in others if covers[name] >= LEAST_SHARE * rest]
    return found


def _for_kick_and_bass(
    roles: Mapping[str, str], powers: Mapping[str, Energies], settings: RuleSettings
) -> list[tuple[str, EqualiserBandRecipe, str]]:
    low_B = np.array([LOW_HZ[0] <= hertz < LOW_HZ[1] for hertz in CENTRES_HZ])

    def loudest(found: list[str]) -> str | None:
        return max(found, key=lambda name: (float(powers[name][low_B].sum()), name), default=None)

    kick = loudest([name for name, role in roles.items() if role == "drums.kick"])
    bass = loudest([name for name, role in roles.items() if rule_of(role).family == "bass"])
    if kick is None or bass is None or not powers[kick][low_B].any() or not powers[bass][low_B].any():
        return []
    lows = np.flatnonzero(low_B)
    places = {name: int(lows[np.argmax(powers[name][low_B])]) for name in (kick, bass)}
    owner, other = (kick, bass) if places[kick] <= places[bass] else (bass, kick)
    place = places[owner]
    over_db = 10 * float(np.log10(max(powers[other][place], 1e-30) / powers[owner][place]))
    dip_db = round(min((over_db - COVERED_DB) / EXCESS_PER_DB, MOST_DB) * settings.masking, 1)
    if dip_db < LEAST_DB * settings.masking or dip_db < 0.1:
        return []
    centre_hz = float(f"{CENTRES_HZ[place]:.2g}")
    band = EqualiserBandRecipe(kind="bell", frequency_hz=centre_hz, gain_db=-dip_db, q=LOW_Q)
    what = "kick" if owner == kick else "bass"
    return [(other, band, f"leaves {centre_hz:g} Hz to the {what}, which is the lower of the two")]
