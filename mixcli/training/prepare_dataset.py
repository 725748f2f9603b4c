"""From folders of songs to prepared songs, one after the other, through the cache."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mixcli.errors import MixcliError, OutputError
from mixcli.models.settings import ModelSettings
from mixcli.songs.dataset_song import RefusedSong
from mixcli.training.cache import Kept, PreparedCache, check_room, prepared_bytes
from mixcli.training.prepare_keys import cache_name, song_key
from mixcli.training.prepare_options import DataOptions
from mixcli.training.prepare_song import SongPreparer, Unsuitable, most_samples, scratch_bytes, sweep_scratch
from mixcli.training.prepare_sources import SourceSong, find_sources
from mixcli.training.prepared_song import PreparedSong

__all__ = ["DataOptions", "PreparedSong", "RefusedSong", "cache_size", "prepare_dataset"]


def prepare_dataset(
    sources: Sequence[str], model: ModelSettings, options: DataOptions, cache: Path
) -> Iterator[PreparedSong | RefusedSong]:
    """Prepare every song of all sources, or say why it is refused; in the order of sources and names.

    A source is a folder, a manifest (.csv, .jsonl), or what `synthesis.sessions.read_source` reads. Names
    are unique over all sources. With `wet_stems` there are several songs of each to learn from, named
    "SONG~1", "SONG~2" …, of one group, and one of each that judges. Prepared songs are memory-mapped from
    `cache`, where they are made once. Raises SongError E301, E371, E372 and SettingsError E427 for a source
    or a list that cannot be used at all, what `session_plans` raises, and OutputError E502 before anything is
    prepared if the disk has no room for it.
    """
    found = find_sources(sources, options, model)
    store = PreparedCache(cache)
    check_room(cache, _missing_bytes(found.songs, model, options, store))
    sweep_scratch(cache)
    preparer = SongPreparer(model, options, store)
    for item in found.items:
        yield item if isinstance(item, RefusedSong) else _prepared(item, model, options, store, preparer)


def cache_size(songs: Sequence[SourceSong], model: ModelSettings, options: DataOptions) -> int:
    """The bytes that songs take once they are prepared, about: from their headers."""
    return sum(prepared_bytes(model.n_inputs, most_samples(song, model, options)) for song in songs)


def _missing_bytes(
    songs: Sequence[SourceSong], model: ModelSettings, options: DataOptions, store: PreparedCache
) -> int:
    """What is still to be written, and what the largest song takes besides while it is made."""
    missing = []
    for song in songs:
        try:
            kept = store.read(cache_name(song), song_key(song, model, options))
        except OSError:  # a file that is gone is told when its turn comes
            continue
        if kept is None:
            missing.append(song)
    working = max((scratch_bytes(song) for song in missing), default=0)
    return cache_size(missing, model, options) + working


def _prepared(
    song: SourceSong,
    model: ModelSettings,
    options: DataOptions,
    store: PreparedCache,
    preparer: SongPreparer,
) -> PreparedSong | RefusedSong:
    try:
        key, name = song_key(song, model, options), cache_name(song)
        kept = store.read(name, key)
        if kept is None:
            try:
                kept = preparer.prepare(song, name, key)
            except Unsuitable as unsuitable:
                store.refuse(name, key, unsuitable.reason)
                return RefusedSong(song.name, unsuitable.reason)
    except OutputError:  # the disk: no song's fault
        raise
    except MixcliError as error:
        return RefusedSong(song.name, error.message)
    except OSError as error:
        return RefusedSong(song.name, f"{error.strerror}: {error.filename}")
    return _as_song(song, model, kept)


def _as_song(song: SourceSong, model: ModelSettings, kept: Kept) -> PreparedSong | RefusedSong:
    if kept.arrays_KT is None:
        return RefusedSong(song.name, str(kept.facts.get("refused", "refused before")))
    return PreparedSong(
        name=song.name,
        group=song.group,
        part=song.part,
        sample_rate=model.sample_rate,
        inputs_KT=kept.arrays_KT[:-2],
        target_CT=kept.arrays_KT[-2:],
    )
