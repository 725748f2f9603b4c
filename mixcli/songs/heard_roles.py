"""The roles of stems whose names say nothing, from their sound; and what is said of it.

Legend: K classes, H hops, D drums.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import lufs_to_energy
from mixcli.errors import Notice
from mixcli.songs.naming import quoted
from mixcli.songs.roles import family_of
from mixcli.songs.song import Song, Stem
from mixcli.songs.sound_roles import CLASSES, numbers_of, probabilities
from mixcli.songs.stem_survey import ACTIVE_BELOW_LU, StemSurvey
from mixcli.songs.survey import Survey

SURE = 0.7  # of the group (voice, drums, bass …): below, the stem stays `other`
SURE_OF_VOICE = 0.8  # a wrong voice sits on top of the mix
LEAST_S = 1.0  # of sound: less says nothing
LEAD_ALONE = 0.1  # share of a voice's time beside the lead's, up to which it takes turns with it
LEAD_WITHIN_LU = 6.0
LEAD_SIDE_DB = -5.0  # side over mid: a voice wider than this stands behind another that was not heard
NARROW_DB = -20.0  # side over mid: below, a stem is as good as mono
OVERHEAD_R2 = 0.6  # share of a kit's level changes that close microphones explain
CLOSE_DRUMS = ("drums.kick", "drums.snare", "drums.tom", "drums.hihat")
LISTED = 8


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a stem sounds like: the likeliest role, and how sure its group is, 0 to 1."""

    role: str
    probability: float
    accepted: bool


def hear(stem: StemSurvey) -> Heard | None:
    """The role of one stem by its sound alone, every voice as `vox.lead`; None where there is too little.

    The groups (voice, drums, bass, guitars, other instruments, effects) are weighed first, the role inside
    the best one after that: a wrong group costs a mix more than all the rest.
    """
    if stem.silent or stem.sound.seconds < LEAST_S:
        return None
    likely_K = probabilities(numbers_of(stem))
    groups = {one.group for one in CLASSES}
    shares = {
        group: sum(float(p) for p, one in zip(likely_K, CLASSES, strict=True) if one.group == group)
        for group in groups
    }
    best = max(sorted(groups), key=lambda group: shares[group])
    inside = [(float(p), one.role) for p, one in zip(likely_K, CLASSES, strict=True) if one.group == best]
    role = max(inside, key=lambda found: found[0])[1]
    return Heard(role=role, probability=shares[best], accepted=shares[best] >= sure_of(best))


def sure_of(group: str) -> float:
    """How likely a group must be for a stem to be taken for one of it."""
    return SURE_OF_VOICE if group == "vox" else SURE


def roles_from_sound(song: Song, survey: Survey) -> Song:
    """Give stems without a known role one by their sound, and say so; names, folders and options stand.

    The song and its survey as `apply_survey` returns them. One of the voices is the lead: the one that gives
    most to the song, in its centre, unless a name says which; so are those that take turns with it. A kit
    beside close microphones that it hears is their overheads. Where a stem cannot be told it stays `other`.
    """
    heard = {
        stem.name: found
        for stem in song.stems
        if stem.role_from == "none" and (found := hear(survey.stems[stem.name])) is not None
    }
    roles = {name: found.role for name, found in heard.items() if found.accepted}
    if not heard:
        return song
    roles |= _voices(song.stems, roles, survey)
    roles |= _overheads(song.stems, roles, survey)
    stems = tuple(
        replace(stem, role=roles[stem.name], role_from="sound") if stem.name in roles else stem
        for stem in song.stems
    )
    others = [notice for notice in song.notices if notice.code != "W331"]
    return replace(song, stems=stems, notices=(*others, *_notices(stems, heard)))


def _voices(stems: Sequence[Stem], roles: dict[str, str], survey: Survey) -> dict[str, str]:
    """Which of the voices that were heard are the lead, and which stand behind it."""
    voices = {name: survey.stems[name] for name, role in roles.items() if family_of(role) == "vox"}
    named = any(stem.role_from != "none" and stem.role == "vox.lead" for stem in stems)
    leads = () if named else leads_among(voices)
    return {name: "vox.lead" if name in leads else "vox.backing" for name in voices}


def leads_among(voices: Mapping[str, StemSurvey]) -> tuple[str, ...]:
    """The voice that gives most to the song from its centre, and those that take turns with it.

    None where even that voice is wide: it stands behind one that was not heard.
    """
    if not voices:
        return ()
    lead = max(sorted(voices), key=lambda name: _weight_db(voices[name]))
    if _width_db(voices[lead]) > LEAD_SIDE_DB - NARROW_DB:
        return ()
    in_turn = []
    for name in sorted(set(voices) - {lead}):
        loud = voices[name].loudness_lufs >= voices[lead].loudness_lufs - LEAD_WITHIN_LU
        centred = _width_db(voices[name]) <= _width_db(voices[lead]) + LEAD_WITHIN_LU
        if loud and centred and _share_beside(voices[name], voices[lead]) <= LEAD_ALONE:
            in_turn.append(name)
    return (lead, *in_turn)


def _weight_db(stem: StemSurvey) -> float:
    """How much a voice gives to the song; one that is wide counts for less, for leads stand in the centre."""
    return 10 * math.log10(max(float(stem.hop_energies.sum()), 1e-30)) - _width_db(stem)


def _width_db(stem: StemSurvey) -> float:
    """Side over mid, in dB above what is next to mono."""
    ratio = (sum(stem.side_energy) + 1e-30) / (sum(stem.mid_energy) + 1e-30)
    return min(max(10 * math.log10(ratio) - NARROW_DB, 0.0), -NARROW_DB)


def _share_beside(voice: StemSurvey, lead: StemSurvey) -> float:
    """The share of a voice's time in which the lead sounds as well."""
    own_H, lead_H = _active(voice), _active(lead)
    n_both = min(len(own_H), len(lead_H))
    return int(np.count_nonzero(own_H[:n_both] & lead_H[:n_both])) / max(int(np.count_nonzero(own_H)), 1)


def _active(stem: StemSurvey) -> NDArray[np.bool_]:
    active_H: NDArray[np.bool_] = stem.hop_energies > lufs_to_energy(stem.loudness_lufs - ACTIVE_BELOW_LU)
    return active_H


def _overheads(stems: Sequence[Stem], roles: dict[str, str], survey: Survey) -> dict[str, str]:
    """Whole kits whose level follows that of close microphones, a kick's and a snare's at least."""
    all_roles = {stem.name: roles.get(stem.name, stem.role) for stem in stems}
    close = [name for name, role in all_roles.items() if role in CLOSE_DRUMS]
    if not {"drums.kick", "drums.snare"} <= {all_roles[name] for name in close}:
        return {}
    close_HD = np.stack([survey.stems[name].hop_energies for name in close], axis=1)
    found = {}
    for name, role in roles.items():
        if role == "drums.kit" and _explained(survey.stems[name].hop_energies, close_HD) >= OVERHEAD_R2:
            found[name] = "drums.overhead"
    return found


def _explained(kit_H: NDArray[np.float32], close_HD: NDArray[np.float32]) -> float:
    """The share of a kit's level changes, as amplitudes, that a weighted sum of others' makes out."""
    n_hops = min(len(kit_H), len(close_HD))
    kit_H = np.sqrt(kit_H[:n_hops].astype(np.float64))
    close_HD = np.sqrt(close_HD[:n_hops].astype(np.float64))
    kit_H, close_HD = kit_H - kit_H.mean(), close_HD - close_HD.mean(axis=0)
    whole = float(kit_H @ kit_H)
    if n_hops <= close_HD.shape[1] or not whole:
        return 0.0
    rest_H = kit_H - close_HD @ np.linalg.lstsq(close_HD, kit_H, rcond=None)[0]
    return 1.0 - float(rest_H @ rest_H) / whole


def _notices(stems: Sequence[Stem], heard: dict[str, Heard]) -> list[Notice]:
    """W332 for the roles that were taken, W331 for the stems that stay `other`."""
    notices = []
    taken = [stem for stem in stems if stem.role_from == "sound"]
    if taken:
        told = [
            f"{quoted(stem.name)} {stem.role} ({heard[stem.name].probability:.0%} sure)" for stem in taken
        ]
        noun = "role is" if len(taken) == 1 else "roles are"
        notices.append(
            Notice(
                "W332",
                f"{len(taken)} {noun} from the sound alone: {', '.join(told[:LISTED])}"
                f'{"…" if len(told) > LISTED else ""}; --role "{taken[0].name}=ROLE" says otherwise.',
                taken[0].name if len(taken) == 1 else None,
            )
        )
    unknown = [stem for stem in stems if stem.role_from == "none"]
    if unknown:
        told = []
        for stem in unknown:
            found = heard.get(stem.name)
            like = f" (perhaps {found.role}, {found.probability:.0%} sure)" if found else ""
            told.append(quoted(stem.name) + like)
        count = "1 stem has" if len(unknown) == 1 else f"{len(unknown)} stems have"
        listed = f"{', '.join(told[:LISTED])}{'…' if len(told) > LISTED else ''}"
        notices.append(Notice("W331", f"{count} no known role: {listed}; treated as other."))
    return notices
