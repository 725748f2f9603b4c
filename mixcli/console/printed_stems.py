"""Whether stems come balanced: printed through a mixer, so that their plain sum is a mix already."""

import math
from contextlib import ExitStack
from dataclasses import dataclass, replace
from statistics import pstdev

import numpy as np

from mixcli.audio.files import read_info
from mixcli.console.levels import usable_loudness
from mixcli.console.rule_table import rule_of
from mixcli.console.widening import is_mono
from mixcli.errors import SongError
from mixcli.songs.song import Song, Stem
from mixcli.songs.stem_reader import StemReader
from mixcli.songs.stem_survey import SURVEY_BLOCK, StemSurvey
from mixcli.songs.survey import Survey

# Chosen on ten excerpts of five songs of one artist, whose plain sums are known to be the mixes.
FEWEST_STEMS = 4
SAME_LENGTH_S = 0.05
WIDE_SHARE = 0.5  # of the stems that have two different sides; recordings mostly have one
PEAK_SPREADS_DB = (2.0, 5.5)  # standard deviations over the stems: less is normalised, more is no mix
LOUDNESS_SPREADS_LU = (2.0, 6.6)
ORDER_SPREAD_LU = 7.5  # the most that levels may lie about those that the rules would give the roles
SAME_SOUND = (
    0.98  # correlation of the plain sum and a mix; mastering by a limiter leaves more, other gains less
)
SUM_PEAKS_DBFS = (-6.0, 2.5)  # a mix is made to full scale, and a bounce in float may pass it


@dataclass(frozen=True)
class Balance:
    """What speaks for it: the peak of the plain sum, estimated, and how the stems' levels spread.

    `is_the_mix` says that the sum is a mix that lies beside the stems, which settles it.
    """

    sum_peak_dbfs: float
    peak_spread_db: float
    loudness_spread_lu: float
    is_the_mix: bool = False

    @property
    def words(self) -> str:
        """The same as a part of a sentence."""
        if self.is_the_mix:
            return "their plain sum is the mix that lies beside them"
        return (
            f"equally long, mostly stereo, peaks spread by {self.peak_spread_db:.1f} dB, "
            f"their plain sum peaks near {self.sum_peak_dbfs:+.0f} dBFS"
        )


def looks_balanced(song: Song, survey: Survey) -> Balance | None:
    """What speaks for it where the stems look like a mix's, printed at unity gain; else None.

    All of these: four stems or more; equally long and from one start; at least half with two different sides;
    none clipped; peaks and loudness that spread as in a mix, neither alike (normalised) nor wild (recorded);
    levels not all against what their roles have; and a sum that peaks near full scale. Or the first three,
    and a mix beside the stems that is their plain sum, for which files are read once more.
    """
    stems = [stem for stem in song.stems if usable_loudness(survey.stems[stem.name]) is not None]
    wide = [not is_mono(survey.stems[stem.name], stem.n_channels) for stem in stems]
    if len(stems) < FEWEST_STEMS or sum(wide) < WIDE_SHARE * len(wide) or not _one_length(song):
        return None
    measured = [survey.stems[stem.name] for stem in stems]
    loudness = [each.loudness_lufs for each in measured]
    balance = Balance(_sum_peak_dbfs(measured), pstdev(each.peak_dbfs for each in measured), pstdev(loudness))
    usual = [rule_of(stem.role).level_db for stem in stems]
    fits = (
        PEAK_SPREADS_DB[0] <= balance.peak_spread_db <= PEAK_SPREADS_DB[1]
        and LOUDNESS_SPREADS_LU[0] <= balance.loudness_spread_lu <= LOUDNESS_SPREADS_LU[1]
        and SUM_PEAKS_DBFS[0] <= balance.sum_peak_dbfs <= SUM_PEAKS_DBFS[1]
        and pstdev(np.subtract(loudness, usual).tolist()) <= ORDER_SPREAD_LU
        and not any(each.clipped_runs or each.peak_dbfs > 0 for each in measured)
    )
    if fits:
        return balance
    return replace(balance, is_the_mix=True) if _is_the_mix(song, survey) else None


def _one_length(song: Song) -> bool:
    """Whether all stems begin together, without an offset, and end together."""
    lengths_s = [stem.duration_s for stem in song.stems]
    return not any(stem.offset for stem in song.stems) and max(lengths_s) - min(lengths_s) <= SAME_LENGTH_S


def _sum_peak_dbfs(stems: list[StemSurvey]) -> float:
    """The peak of the plain sum, estimated: in every 100 ms the root of the sum of the squared peaks.

    It is within 2.5 dB of the true one on the excerpts the limits were chosen on, and mostly below it.
    """
    n_hops = max((len(stem.hop_peaks) for stem in stems), default=0)
    squares_H = np.zeros(n_hops)
    for stem in stems:
        squares_H[: len(stem.hop_peaks)] += np.square(stem.hop_peaks, dtype=np.float64)
    highest = float(squares_H.max(initial=0.0))
    return 10 * math.log10(highest) if highest > 0 else -math.inf


def _is_the_mix(song: Song, survey: Survey) -> bool:
    """Whether the mix that lies beside the stems is their plain sum, whatever its level."""
    if song.reference is None:
        return False
    rate, products = survey.sample_rate, np.zeros(3)  # of the sum with itself, with the mix, mix with itself
    try:
        info = read_info(song.reference)
        mix = Stem(name=song.reference.name, files=(info,), role="util.mix", role_from="none")
        with ExitStack() as files:
            reference = files.enter_context(StemReader(mix, rate, repair=True))
            stems = [files.enter_context(StemReader(stem, rate, repair=True)) for stem in song.stems]
            for _ in range(0, max(survey.n_samples, reference.n_samples), SURVEY_BLOCK):
                mix_TC = np.broadcast_to(reference.read(SURVEY_BLOCK), (SURVEY_BLOCK, 2))
                sum_TC = np.zeros((SURVEY_BLOCK, 2), np.float32)
                for stem in stems:
                    sum_TC += stem.read(SURVEY_BLOCK)
                pairs = ((sum_TC, sum_TC), (sum_TC, mix_TC), (mix_TC, mix_TC))
                products += [float(np.vdot(first, second)) for first, second in pairs]
    except SongError:  # a mix that cannot be read proves nothing
        return False
    own, both, its = products
    return bool(both >= SAME_SOUND * math.sqrt(own * its) > 0)
