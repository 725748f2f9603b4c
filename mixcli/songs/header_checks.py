"""What the headers of a song's stems say about each other: rates, lengths, start times, lossy formats."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from mixcli.audio.wording import clock_time
from mixcli.errors import Notice
from mixcli.songs.naming import quoted, quoted_list
from mixcli.songs.roles import closest_guess
from mixcli.songs.song import Stem

Alignment = Literal["auto", "start", "bwf"]
LENGTHS_DIFFER_S = 1.0
LENGTHS_FAR_APART_S = 10.0
LOSSY = {
    "VORBIS": "Ogg Vorbis",
    "OPUS": "Opus",
    "MPEG_LAYER_I": "MP1",
    "MPEG_LAYER_II": "MP2",
    "MPEG_LAYER_III": "MP3",
}


def most_common_rate(stems: Sequence[Stem]) -> int:
    """The sample rate that most stems have, the highest of equals."""
    rates = Counter(stem.sample_rate for stem in stems)
    return max(rates, key=lambda rate: (rates[rate], rate))


def align_stems(stems: Sequence[Stem], alignment: Alignment) -> tuple[tuple[Stem, ...], list[Notice]]:
    """Give the stems their offsets by the start times in their headers, and say so.

    With "auto" the times count only if all stems carry one and they lie no further apart than the longest
    stem lasts: clocks of several recorders, or of takes after one another, say nothing. With "bwf" they
    always count, and stems without one start at the earliest time. Equal times, and "start", leave every stem
    at the beginning.
    """
    times_s = {
        stem.name: stem.files[0].time_reference / stem.sample_rate
        for stem in stems
        if stem.files[0].time_reference is not None
    }
    carrying, n_stems = len(times_s), len(stems)
    if alignment == "start" or carrying == 0:
        return tuple(stems), []
    spread_s = max(times_s.values()) - min(times_s.values())
    if alignment == "auto" and carrying < n_stems:
        message = f"{carrying} of {n_stems} stems carry start times; all aligned at 0."
        return tuple(stems), [Notice("W323", message)]
    apart = clock_time(spread_s, decimals=1)
    if alignment == "auto" and spread_s > max(stem.duration_s for stem in stems):
        message = f"start times are up to {apart} apart, more than any stem lasts; all aligned at 0."
        return tuple(stems), [Notice("W323", f"{message} Offsets? --align bwf")]
    first_s = min(times_s.values())
    aligned = tuple(
        replace(stem, offset=round((times_s.get(stem.name, first_s) - first_s) * stem.sample_rate))
        for stem in stems
    )
    if not any(stem.offset for stem in aligned):
        return tuple(stems), []
    message = f"stems are aligned by the start times in their files, up to {apart} apart."
    return aligned, [Notice("I323", message)]


def check_rates(stems: Sequence[Stem]) -> list[Notice]:
    """W321 if the stems' sample rates differ."""
    common = most_common_rate(stems)
    others = Counter(stem.sample_rate for stem in stems if stem.sample_rate != common)
    if not others:
        return []
    n_others = sum(others.values())
    rates, usual = ", ".join(_khz(rate) for rate in sorted(others)), _khz(common)
    verb = "is" if n_others == 1 else "are"
    found = f"{n_others} of {len(stems)} stems {verb} {rates}, the rest {usual}"
    return [Notice("W321", f"{found}; resampled where the mix has another rate.")]


def check_lengths(stems: Sequence[Stem]) -> list[Notice]:
    """I322 if the stems end more than a second apart, W322 if far more."""
    ends_s = [stem.duration_s for stem in stems]
    apart_s = max(ends_s) - min(ends_s)
    if apart_s <= LENGTHS_DIFFER_S:
        return []
    far = apart_s > LENGTHS_FAR_APART_S
    message = f"lengths differ by up to {apart_s:.0f} s; padded at the end."
    return [Notice("W322" if far else "I322", message + (" Offsets? --align bwf" if far else ""))]


def check_formats(stems: Sequence[Stem]) -> list[Notice]:
    """W324 if stems are of a lossy format."""
    lossy = [stem for stem in stems if stem.files[0].subtype in LOSSY]
    if not lossy:
        return []
    kinds = ", ".join(sorted({LOSSY[stem.files[0].subtype] for stem in lossy}))
    verb = "is" if len(lossy) == 1 else "are"
    message = (
        f"{len(lossy)} of {len(stems)} stems {verb} lossy ({kinds}): {quoted_list([s.name for s in lossy])}."
    )
    return [Notice("W324", message)]


def check_roles(stems: Sequence[Stem]) -> list[Notice]:
    """W331 if stems have no known role, with what their names resemble."""
    unknown = [stem for stem in stems if stem.role_from == "none"]
    if not unknown:
        return []
    named = []
    for stem in unknown[:4]:
        guess = closest_guess(stem.name.rsplit("/", 1)[-1])
        named.append(quoted(stem.name) + (f" (like {guess})" if guess else ""))
    more = "…" if len(unknown) > len(named) else ""
    count = "1 stem has" if len(unknown) == 1 else f"{len(unknown)} stems have"
    return [Notice("W331", f"{count} no known role: {', '.join(named)}{more}; treated as other.")]


def _khz(rate: int) -> str:
    return f"{rate / 1000:g} kHz"
