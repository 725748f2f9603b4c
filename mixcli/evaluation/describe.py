"""Everything measured on one sound, and everything that follows from two of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.evaluation.sounds import Sound
from mixcli.measures.compatible import compare_compatible
from mixcli.measures.field_features import FieldDescription, describe_field
from mixcli.measures.mixing_style import StyleDescription, compare_style, describe_style
from mixcli.measures.mono import MonoDescription, compare_mono, describe_mono, mono_values
from mixcli.measures.nearness import compare_profiles, curves
from mixcli.measures.profile import Profile, describe_profile
from mixcli.measures.released_music import average_spectrum
from mixcli.measures.robust import compare_robust
from mixcli.measures.sets import set_features


@dataclass(frozen=True, kw_only=True)
class Description:
    """One sound at the level of comparison: small series and sums, no samples."""

    profile: Profile
    field: FieldDescription
    style: StyleDescription
    mono: MonoDescription
    excerpts_ED: NDArray[np.float64]  # features of excerpts, for distances of sets


def describe_sound(sound_TC: Sound, sample_rate: int, *, like: Description | None = None) -> Description:
    """Describe a sound, [T, 2]; `like` is the reference it will be compared with."""
    return Description(
        profile=describe_profile(sound_TC, sample_rate),
        field=describe_field(sound_TC, sample_rate, None if like is None else like.field.span),
        style=describe_style(sound_TC, sample_rate),
        mono=describe_mono(sound_TC, sample_rate),
        excerpts_ED=set_features(sound_TC, sample_rate),
    )


def values_alone(description: Description) -> dict[str, float]:
    """What one sound says without a reference."""
    spectrum_db = np.array(curves(description.profile)["spectrum_db"])
    return mono_values(description.mono) | average_spectrum(spectrum_db)


def compare_sounds(mix: Description, reference: Description) -> dict[str, float]:
    """Every distance that two descriptions give."""
    return {
        **compare_profiles(mix.profile, reference.profile),
        **compare_compatible(mix.field, reference.field),
        **compare_robust(mix.field, reference.field),
        **compare_style(mix.style, reference.style),
        **compare_mono(mix.mono, reference.mono),
    }
