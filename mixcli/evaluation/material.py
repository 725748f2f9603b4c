"""What all mixes of a song are measured against: reference and stems, each read and described once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.files import display_name
from mixcli.audio.loudness import LoudnessMeter
from mixcli.errors import MixcliError, Notice, SongError
from mixcli.evaluation.describe import Description, describe_sound
from mixcli.evaluation.places import audio_in
from mixcli.evaluation.plan import PlannedSong
from mixcli.evaluation.sounds import BLOCK, Sound, empty_sound, read_sound, read_stem_sound, scale
from mixcli.measures.artefacts import ArtefactStems, describe_artefact_stems
from mixcli.measures.balance import StemEnergies, describe_stems, stem_levels_db
from mixcli.measures.delivery import Delivery, describe_delivery
from mixcli.measures.masking import MaskingDescription, describe_masking
from mixcli.songs.roles import match_role
from mixcli.songs.song import Song

LEVEL_LUFS = -18.0  # what mixes and references are brought to before they are compared


@dataclass(frozen=True, kw_only=True)
class StemSounds:
    """The stems of a song as they are mixed, with what several measures need of them."""

    names: tuple[str, ...]
    roles: tuple[str, ...]
    sounds: tuple[Sound, ...]
    sample_rate: int

    @cached_property
    def artefacts(self) -> ArtefactStems:
        """For the artefact detectors."""
        return describe_artefact_stems(self.sounds, self.sample_rate)

    @cached_property
    def masking(self) -> MaskingDescription:
        """For masking between stems."""
        return describe_masking(self.sounds, self.sample_rate)

    @cached_property
    def energies(self) -> StemEnergies:
        """For the balance."""
        return describe_stems(self.sounds, self.sample_rate)

    @property
    def leads(self) -> list[bool]:
        """Which stems carry the lead."""
        return [role == "vox.lead" for role in self.roles]

    @property
    def documents(self) -> list[dict[str, str]]:
        """Names and roles as plain data."""
        return [{"name": name, "role": role} for name, role in zip(self.names, self.roles, strict=True)]


@dataclass(frozen=True, kw_only=True)
class ReferenceSide:
    """A reference over as many samples as a mix shares with it, at the level of comparison."""

    sound_TC: Sound
    lufs: float
    description: Description
    levels_db_S: NDArray[np.float64] | None


class SongMaterial:
    """Reference and stems of one song at one sample rate."""

    def __init__(
        self,
        sample_rate: int,
        *,
        reference_TC: Sound | None,
        stems: StemSounds | None,
        parts: StemSounds | None,
    ) -> None:
        self.sample_rate = sample_rate
        self.reference_TC = reference_TC
        self.stems = stems
        self.parts = parts
        self._sides: dict[tuple[int, int], ReferenceSide] = {}

    @cached_property
    def reference_delivery(self) -> Delivery | None:
        """Loudness and peaks of the reference as it was made."""
        return None if self.reference_TC is None else describe_delivery(self.reference_TC, self.sample_rate)

    def reference_over(self, start: int, stop: int) -> ReferenceSide | None:
        """The reference between two samples; described once for all mixes that share as much with it."""
        if self.reference_TC is None:
            return None
        if (start, stop) not in self._sides:
            sound_TC = empty_sound(stop - start)
            lufs = match_level(self.reference_TC[start:stop], self.sample_rate, sound_TC)
            description = describe_sound(sound_TC, self.sample_rate)
            self._sides[start, stop] = ReferenceSide(
                sound_TC=sound_TC,
                lufs=lufs,
                description=description,
                levels_db_S=self.levels(description),
            )
        return self._sides[start, stop]

    def levels(self, description: Description) -> NDArray[np.float64] | None:
        """The level of every part in a mix, [S], in dB; None where there are no stems."""
        return None if self.parts is None else stem_levels_db(description.profile, self.parts.energies)


def match_level(sound_TC: Sound, sample_rate: int, out_TC: Sound) -> float:
    """Write a sound at the level of comparison; returns its own loudness, -inf (and no gain) for silence."""
    meter = LoudnessMeter(sample_rate, 2)
    for start in range(0, len(sound_TC), BLOCK):
        meter.push(np.asarray(sound_TC[start : start + BLOCK]))
    lufs = meter.integrated_lufs()
    scale(sound_TC, db_to_gain(LEVEL_LUFS - lufs) if np.isfinite(lufs) else 1.0, out_TC)
    return lufs


def read_stems(song: Song, sample_rate: int, *, repair: bool) -> StemSounds:
    """The stems of a song as `mix` hears them. Raises SongError."""
    return StemSounds(
        names=tuple(stem.name for stem in song.stems),
        roles=tuple(stem.role for stem in song.stems),
        sounds=tuple(read_stem_sound(stem, sample_rate, repair=repair) for stem in song.stems),
        sample_rate=sample_rate,
    )


def read_parts(planned: PlannedSong, sample_rate: int) -> StemSounds:
    """The sounds the balance is measured on, where they are not the stems. Raises SongError."""
    if planned.parts is None:
        raise ValueError("no parts were asked for")
    files = audio_in(planned.parts)
    if not files:
        message = f'no audio in "{display_name(planned.parts)}", where the parts are looked for.'
        raise SongError(message, code="E361", hint="see --parts.")
    return StemSounds(
        names=tuple(path.name for path in files),
        roles=tuple(match_role(path.name).role for path in files),
        sounds=tuple(read_sound(path, sample_rate)[0] for path in files),
        sample_rate=sample_rate,
    )


def without_stems(error: MixcliError, planned: PlannedSong) -> Notice:
    """A warning that the stems of a song cannot be read, so that only whole mixes are compared."""
    name = "" if planned.folder is None else display_name(planned.folder)
    message = f"the stems are not used, so only whole mixes are compared: {error.message}"
    return Notice("W361", message, name)
