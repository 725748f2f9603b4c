"""Faults of the session that the sound gives away: said, each with its remedy, and never mended unasked."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from mixcli.errors import Notice
from mixcli.songs.cores import n_threads
from mixcli.songs.header_checks import LOSSY
from mixcli.songs.naming import quoted, quoted_list
from mixcli.songs.pauses import listen_to_pauses
from mixcli.songs.roles import family_of
from mixcli.songs.shared_sound import find_bleed, find_moved_copies
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import Survey
from mixcli.songs.third_octaves import CENTRES_HZ

OPPOSITE = -0.9  # correlation of left and right: next to nothing is left of the two in mono
DEAD_DB = 40.0  # one channel below the other
NOISY_LU = 40.0  # a floor of noise less far below a stem's sound is heard in its pauses
HUMMING_LU = 55.0  # hum lies where there is nothing else to cover it
MISTAKEN_RATES = {44_100: (48_000,), 48_000: (44_100,), 88_200: (96_000,), 96_000: (88_200,)}
FEWEST_TWINS = 2
SAME_LENGTH_S = 0.002
SAME_RATIO = 2e-4
SHORTEST_S = 5.0
EMPTY_DB = 45.0  # of a fall that no sound has, and no filter but a converter's
# Lower rates, each with the last third of an octave (by its centre) that it holds and the first it does not.
LOWER_RATES = ((22_050, 10_079.4, 12_699.2), (32_000, 12_699.2, 20_158.7))


def find_session_faults(song: Song, survey: Survey, *, processes: int = 1) -> list[Notice]:
    """What is wrong or odd about the stems as recordings, one notice for each thing.

    Most is known from the survey and the headers. Pauses that are not silent, and stems that sound alike or
    follow one another, are read once more, in up to `processes` processes. Raises SongError where a file has
    changed since the survey.
    """
    return [
        *_channel_faults(song, survey),
        *_rate_faults(song.stems),
        *_copy_faults(song, survey, processes),
        *_bleed_faults(song, survey, processes),
        *_pause_faults(song, survey),
        *_resampled(song, survey),
    ]


def _channel_faults(song: Song, survey: Survey) -> list[Notice]:
    """W338 where one channel is the other upside down, W339 where one is dead."""
    notices = []
    for stem in song.stems:
        rows = survey.channels[stem.name]
        if rows.stop - rows.start < 2:
            continue
        gram_CC = survey.gram_NN[rows, rows]
        left, right = float(gram_CC[0, 0]), float(gram_CC[1, 1])
        if min(left, right) < max(left, right) * 10 ** (-DEAD_DB / 10):
            side = "left" if left < right else "right"
            message = (
                f"the {side} channel of {quoted(stem.name)} is silent, or more than {DEAD_DB:.0f} dB below "
                "the other; export the other one as mono."
            )
            notices.append(Notice("W339", message, stem.name))
        elif gram_CC[0, 1] <= OPPOSITE * np.sqrt(left * right):
            correlation = float(gram_CC[0, 1]) / np.sqrt(left * right)
            message = (
                f"the channels of {quoted(stem.name)} are opposite (correlation {correlation:.2f}), so that "
                "little is left in mono; turn one over where it was made."
            )
            notices.append(Notice("W338", message, stem.name))
    return notices


def _rate_faults(stems: Iterable[Stem]) -> list[Notice]:
    """W347 where a stem's length says that its header has the wrong sample rate."""
    stems = [stem for stem in stems if stem.duration_s >= SHORTEST_S]
    notices = []
    for stem in stems:
        others = [other for other in stems if other.name != stem.name]
        found = _rate_of_twins(stem, others) or _rate_of_length(stem, others)
        if found is None:
            continue
        rate, why = found
        sounds = "slow" if rate > stem.sample_rate else "fast"
        message = (
            f"{quoted(stem.name)} says {stem.sample_rate / 1000:g} kHz and {why}: if it sounds too {sounds}, "
            f"mark it as {rate / 1000:g} kHz."
        )
        notices.append(Notice("W347", message, stem.name))
    return notices


def _rate_of_twins(stem: Stem, others: list[Stem]) -> tuple[int, str] | None:
    """The rate of most other stems, where those have just as many samples but another rate."""
    twins = Counter(other.sample_rate for other in others if other.n_samples == stem.n_samples)
    rate, number = twins.most_common(1)[0] if twins else (stem.sample_rate, 0)
    if rate == stem.sample_rate or number < FEWEST_TWINS or 2 * number <= len(others):
        return None
    return rate, f"has as many samples as {number} stems of {rate / 1000:g} kHz"


def _rate_of_length(stem: Stem, others: list[Stem]) -> tuple[int, str] | None:
    """The rate at which a stem would last as long as most others of its rate do."""
    length_s = _usual_length([other for other in others if other.sample_rate == stem.sample_rate])
    for right in MISTAKEN_RATES.get(stem.sample_rate, ()) if length_s else ():
        times = stem.duration_s / (length_s or 1.0)
        if abs(times * stem.sample_rate / right - 1) < SAME_RATIO:
            return right, f"lasts {times:.3f} times as long as the others"
    return None


def _usual_length(stems: list[Stem]) -> float | None:
    """The length that more than half of the stems have, and two at least."""
    for stem in stems:
        same = sum(abs(other.duration_s - stem.duration_s) < SAME_LENGTH_S for other in stems)
        if same >= FEWEST_TWINS and 2 * same > len(stems):
            return stem.duration_s
    return None


def _copy_faults(song: Song, survey: Survey, processes: int) -> list[Notice]:
    """W348 for stems that are others again, moved, turned over or at another level."""
    notices = []
    for copy in find_moved_copies(song, survey, processes=processes):
        how = f"{copy.delay_ms:.2f} ms later" if copy.delay_ms >= 0.01 else "at another level"
        turned = ", upside down" if copy.inverted else ""
        message = (
            f"{quoted(copy.name)} is {quoted(copy.original)} again, {how}{turned}; --exclude one of them, "
            "unless it is meant."
        )
        notices.append(Notice("W348", message, copy.name))
    return notices


def _bleed_faults(song: Song, survey: Survey, processes: int) -> list[Notice]:
    """W346 for stems whose pauses are full of another one."""
    return [
        Notice(
            "W346",
            f"{quoted(bleed.source)} is heard in the pauses of {quoted(bleed.name)}, "
            f"{bleed.below_lu:.0f} dB below its own sound; an expander or cutting the pauses helps.",
            bleed.name,
        )
        for bleed in find_bleed(song, survey, processes=processes)
    ]


def _pause_faults(song: Song, survey: Survey) -> list[Notice]:
    """W344 for hum, W345 for noise; effects may hiss on purpose."""
    notices = []
    with ThreadPoolExecutor(n_threads()) as pool:
        heard = list(pool.map(lambda stem: listen_to_pauses(song, survey, stem.name), song.stems))
    for stem, pauses in zip(song.stems, heard, strict=True):
        if pauses.hum_below_lu is not None and pauses.hum_below_lu <= HUMMING_LU:
            message = (
                f"{quoted(stem.name)} hums at {pauses.mains_hz:g} Hz and its multiples, "
                f"{pauses.hum_below_lu:.0f} dB below its sound; take it out before mixing."
            )
            notices.append(Notice("W344", message, stem.name))
        noise_lu = pauses.noise_below_lu
        if noise_lu is not None and noise_lu <= NOISY_LU and family_of(stem.role) != "fx":
            message = (
                f"{quoted(stem.name)} has noise in its pauses, only {noise_lu:.0f} dB below its sound; "
                "take it out, or cut the pauses."
            )
            notices.append(Notice("W345", message, stem.name))
    return notices


def _resampled(song: Song, survey: Survey) -> list[Notice]:
    """I335 for stems that end abruptly where a lower sample rate ends; lossy ones have their own notice."""
    found: dict[int, list[str]] = {}
    for stem in song.stems:
        bands_B = np.array(survey.stems[stem.name].third_octaves)
        half_hz = min(stem.sample_rate, survey.sample_rate) / 2
        for rate, last_hz, first_hz in LOWER_RATES if stem.files[0].subtype not in LOSSY else ():
            last, first = (int(np.argmin(np.abs(np.array(CENTRES_HZ) - hz))) for hz in (last_hz, first_hz))
            held = bands_B[last] * 10 ** (-EMPTY_DB / 10)
            if half_hz > first_hz and held > bands_B[first:].sum():
                found.setdefault(rate, []).append(stem.name)
                break
    return [
        Notice(
            "I335",
            f"resampled from {rate / 1000:g} kHz, or from a lossy file: {quoted_list(names)}.",
            names[0],
        )
        for rate, names in sorted(found.items())
    ]
