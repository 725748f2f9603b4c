"""What a prepared song depends on, as one digest."""

from dataclasses import asdict
from functools import cache
from pathlib import Path

from mixcli import __version__
from mixcli.models.settings import ModelSettings
from mixcli.synthesis.sessions import SessionPlan
from mixcli.training.cache import content_key, file_stamp
from mixcli.training.prepare_options import DataOptions
from mixcli.training.prepare_sources import SourceSong

FORMAT = 1  # rises whenever songs are prepared in another way within a version


def song_key(song: SourceSong, model: ModelSettings, options: DataOptions) -> str:
    """The digest of a song's files, its roles, the model's inputs and rate, the options, and the version.

    Files are judged by size, time of change and both ends, so nothing is decoded. The network's size does not
    count. Raises OSError for a file that is gone.
    """
    made_of = song.made_of
    common = [__version__, FORMAT, model.inputs, model.sample_rate, options.longest_s, options.target_level]
    common += [model.input_peak_dbfs, model.input_loud_dbfs]
    if model.takes_buses:
        common.append(options.rules.model_dump(mode="json"))
    if isinstance(made_of, SessionPlan):
        return content_key("session", made_of.key, *common)
    stems = [
        (
            stem.name,
            stem.role,
            stem.role_from,
            dict(stem.attributes),
            stem.offset,
            [_stamp(str(file.path)) for file in stem.files],
        )
        for stem in made_of.stems
    ]
    mix = None if options.wet_stems or made_of.mix is None else _stamp(str(made_of.mix))
    unmix = (options.seed, song.variant, asdict(options.unmix)) if song.variant else None
    return content_key("song", made_of.name, stems, mix, unmix, options.repair, *common)


def cache_name(song: SourceSong) -> str:
    """What a song is called in the cache, whatever other sources there are beside its own."""
    return f"{song.made_of.name}~{song.variant}" if song.variant else song.made_of.name


@cache
def _stamp_at(path: str, size: int, changed_ns: int) -> str:
    return file_stamp(Path(path))


def _stamp(path: str) -> str:
    """The stamp of a file; both its ends are read once as long as it is not touched."""
    status = Path(path).stat()
    return _stamp_at(path, status.st_size, status.st_mtime_ns)
