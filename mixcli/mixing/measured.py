"""A song read and measured once, for one mix of it or several."""

from collections.abc import Callable
from dataclasses import dataclass

from mixcli.console.microphones import pair_candidates
from mixcli.console.sources import group_sources
from mixcli.errors import Notice
from mixcli.mixing.fingerprint import stamp_files
from mixcli.mixing.request import MixRequest, Progress
from mixcli.settings import MixSettings
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.header_checks import most_common_rate
from mixcli.songs.heard_roles import roles_from_sound
from mixcli.songs.mic_pairs import PairMeasurements, measure_pairs
from mixcli.songs.song import Song
from mixcli.songs.survey import Survey, survey_song

OnBlock = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class MeasuredSong:
    """A song without what is no stem, what was measured, and what its files were before they were read."""

    song: Song
    survey: Survey
    pairs: PairMeasurements
    files: tuple[str, ...]
    notices: tuple[Notice, ...] = ()


def measure_song(
    request: MixRequest, settings: MixSettings, on_progress: Progress | None = None
) -> MeasuredSong:
    """Read a song folder and measure its stems, at the rate of the mix. Raises SongError."""
    files = tuple(stamp_files(request.folder))
    song = read_song(request.folder, request.discovery)
    song, survey, pairs = measure_stems(
        song,
        mix_sample_rate(song, settings),
        skip_bad=request.discovery.skip_bad,
        repair=request.repair,
        processes=request.processes,
        on_block=measuring(song, on_progress),
    )
    notices = one_stem_left(song, request.discovery)
    return MeasuredSong(song=song, survey=survey, pairs=pairs, files=files, notices=notices)


def measure_stems(
    song: Song,
    sample_rate: int,
    *,
    skip_bad: bool,
    repair: bool,
    processes: int = 1,
    on_block: OnBlock | None = None,
) -> tuple[Song, Survey, PairMeasurements]:
    """The survey without what is no stem, roles from sound, and how microphones lie. Raises SongError."""
    survey = survey_song(
        song, sample_rate, skip_bad=skip_bad, repair=repair, processes=processes, on_block=on_block
    )
    song, survey = apply_survey(song, survey, processes=processes)
    song = roles_from_sound(song, survey)
    candidates = pair_candidates(group_sources(song.stems))
    pairs = measure_pairs(song, survey, candidates, processes=processes)
    return song, survey, pairs


def one_stem_left(song: Song, discovery: DiscoveryOptions) -> tuple[Notice, ...]:
    """A warning where silence, copies and bounces have left a single stem of several."""
    if len(song.stems) > 1 or discovery.allow_single:
        return ()
    name = song.stems[0].name
    return (Notice("W308", f'only "{name}" is left of the song; the rest was left out.', name),)


def measuring(song: Song, on_progress: Progress | None) -> OnBlock | None:
    """The survey's progress as a stage of the mix."""
    if on_progress is None:
        return None
    total_s = song.duration_s

    def on_block(done: int, total: int) -> None:
        on_progress("measuring", done / max(total, 1) * total_s, total_s)

    return on_block


def mix_sample_rate(song: Song, settings: MixSettings) -> int:
    """The asked rate, or the one that most stems have."""
    return settings.sample_rate if settings.sample_rate != "source" else most_common_rate(song.stems)
