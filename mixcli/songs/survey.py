"""One pass over all stems of a song, side by side: what must be known of their sound to decide anything.

Legend: T samples, C channels of one stem, N channels of all stems one after the other, S stems.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mixcli.errors import SongError
from mixcli.process_streams import Item, open_stream
from mixcli.songs.cores import share_out
from mixcli.songs.gram import GramMeter
from mixcli.songs.naming import join_errors
from mixcli.songs.song import Song
from mixcli.songs.sound_digest import sha256_of
from mixcli.songs.stem_reader import samples_at
from mixcli.songs.stem_survey import SURVEY_BLOCK, StemSurvey, survey_stems


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was measured of every stem (by name) and between them.

    `gram_NN` holds the inner products of all channels over the whole song at `sample_rate`, float64;
    `channels` says which of its rows belong to a stem. With it any stem's least squares fit by others is a
    closed form. `broken` are stems that could not be read to their end and are not in the survey (only if
    they are skipped).
    """

    sample_rate: int
    n_samples: int
    stems: Mapping[str, StemSurvey]
    channels: Mapping[str, slice]
    gram_NN: NDArray[np.float64]
    broken: Mapping[str, SongError] = field(default_factory=lambda: MappingProxyType({}))

    def energy(self, name: str) -> float:
        """Sum of squares over the channels of a stem."""
        return float(np.trace(self.gram_NN[self.channels[name], self.channels[name]]))

    def correlation(self, first: str, second: str) -> float:
        """Correlation of the mids of two stems over the whole song, -1 to 1; 0 if either is silent."""
        rows, correlations_SS = self._correlations
        return float(correlations_SS[rows[first], rows[second]])

    @cached_property
    def _correlations(self) -> tuple[dict[str, int], NDArray[np.float64]]:
        rows = {name: row for row, name in enumerate(self.channels)}
        mids_SN = np.zeros((len(rows), len(self.gram_NN)))
        for row, part in enumerate(self.channels.values()):
            mids_SN[row, part] = 1.0 / (part.stop - part.start)
        products_SS = mids_SN @ self.gram_NN @ mids_SN.T
        scale_S = np.sqrt(np.maximum(np.diag(products_SS), 0.0))
        scale_SS = np.outer(scale_S, scale_S)
        return rows, np.clip(products_SS / np.where(scale_SS > 0, scale_SS, np.inf), -1.0, 1.0)


def survey_song(
    song: Song,
    sample_rate: int,
    *,
    on_block: Callable[[int, int], None] | None = None,
    skip_bad: bool = False,
    repair: bool = False,
    processes: int = 1,
) -> Survey:
    """Measure all stems of a song in one streamed pass at `sample_rate`; memory does not grow with it.

    `on_block` is told the samples done and the samples in all. The stems of a long song are read in up to
    `processes` processes, which changes no measure. Raises SongError when stems are damaged, one for all of
    them with the code of the first (E312 cut short, E314 non-finite samples …); with `skip_bad` they are
    named in `Survey.broken` instead.
    """
    lengths = {stem.name: samples_at(stem, sample_rate) for stem in song.stems}
    channels, n_channels = _lay_out(song)
    gram = GramMeter(n_channels, SURVEY_BLOCK)
    errors: dict[str, SongError] = {}
    measured: dict[str, StemSurvey] = {}
    shares = share_out({stem.name: stem.duration_s * stem.n_channels for stem in song.stems}, processes)
    with ExitStack() as open_streams:
        streams: list[Iterator[Item]] = []
        stream_of: dict[str, Iterator[Item]] = {}
        for names in shares:
            stems = [stem for stem in song.stems if stem.name in names]
            opened = open_stream(survey_stems, stems, sample_rate, repair, apart=len(shares) > 1)
            streams.append(open_streams.enter_context(opened))
            stream_of |= dict.fromkeys(names, streams[-1])
        n_samples = max(lengths.values(), default=0)
        for start in range(0, n_samples, SURVEY_BLOCK):
            for name, length in lengths.items():
                rows_CT = gram.block_NT[channels[name]]
                n_read = 0
                if start < length and name not in errors:
                    error, arrays = next(stream_of[name])
                    if error is not None:
                        errors[name] = error
                    for samples_CT in arrays:
                        n_read = samples_CT.shape[1]
                        rows_CT[:, :n_read] = samples_CT
                rows_CT[:, n_read:] = 0.0
            gram.add()
            if on_block is not None:
                on_block(min(start + SURVEY_BLOCK, n_samples), n_samples)
        for stream in streams:
            measured |= next(stream)[0]
    if errors and not skip_bad:
        raise join_errors([errors[stem.name] for stem in song.stems if stem.name in errors])
    sound = [stem.name for stem in song.stems if stem.name in measured]
    survey = Survey(
        sample_rate=sample_rate,
        n_samples=max((lengths[name] for name in sound), default=0),
        stems=measured | _certain_digests(song, measured, repair),
        channels=channels,
        gram_NN=gram.products_NN,
        broken=errors,
    )
    return select_stems(survey, sound)


def select_stems(survey: Survey, names: list[str]) -> Survey:
    """The survey of some of the stems, in the order given."""
    channels, start = {}, 0
    for name in names:
        part = survey.channels[name]
        channels[name] = slice(start, start + part.stop - part.start)
        start = channels[name].stop
    rows = [row for name in names for row in range(survey.channels[name].start, survey.channels[name].stop)]
    return Survey(
        sample_rate=survey.sample_rate,
        n_samples=survey.n_samples,
        stems={name: survey.stems[name] for name in names},
        channels=channels,
        gram_NN=survey.gram_NN[np.ix_(rows, rows)],
        broken=survey.broken,
    )


def _certain_digests(song: Song, measured: dict[str, StemSurvey], repair: bool) -> dict[str, StemSurvey]:
    """The stems that seem to be the same as others, with the digest that makes it certain."""
    times = Counter(stem.digest for stem in measured.values() if not stem.silent)
    return {
        stem.name: replace(measured[stem.name], digest=sha256_of(stem, repair=repair))
        for stem in song.stems
        if stem.name in measured and times[measured[stem.name].digest] > 1
    }


def _lay_out(song: Song) -> tuple[dict[str, slice], int]:
    channels, start = {}, 0
    for stem in song.stems:
        channels[stem.name] = slice(start, start + stem.n_channels)
        start += stem.n_channels
    return channels, start
