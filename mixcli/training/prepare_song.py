"""One song into the cache: what the network gets of it, and what it should make of that.

Letters: K inputs, C = 2 channels, T samples.
"""

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.output import sweep_stale_parts
from mixcli.models.settings import ModelSettings
from mixcli.synthesis.sessions import SessionPlan, SoundBank, render
from mixcli.training.align import MixAlignment, NoAlignment
from mixcli.training.cache import Kept, PreparedCache, content_key
from mixcli.training.prepare_inputs import HeardSong, hear_song, network_length, read_inputs
from mixcli.training.prepare_options import DataOptions
from mixcli.training.prepare_session import MIX_FILE, session_song
from mixcli.training.prepare_sources import SourceSong
from mixcli.training.prepare_target import align_song, mix_stem, read_mix, read_sum
from mixcli.training.unmix import unmix_song, unmixed_bytes

BLOCK = 1 << 18
SCRATCH = ".mixcli-scratch-"
STALE_S = 24 * 3600.0
MOST_MICROPHONES = 24  # of a session
IN_STEP = MixAlignment(
    delay_samples=0, inverted=False, gain_db=0.0, coherence=1.0, strength=0.0, sum_used="none"
)

Block = NDArray[np.float32]


class Unsuitable(Exception):
    """A song whose stems and mix do not belong together; not the fault of any file."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SongPreparer:
    """Prepares songs for one model; variants of a song that follow one another share its measures."""

    def __init__(self, model: ModelSettings, options: DataOptions, store: PreparedCache) -> None:
        self._model, self._options, self._store = model, options, store
        self._heard: tuple[str, HeardSong] | None = None
        self._bank = SoundBank()

    def prepare(self, song: SourceSong, name: str, key: str) -> Kept:
        """Prepare a song and keep it. Raises Unsuitable, and MixcliError where files cannot be used."""
        if isinstance(song.made_of, SessionPlan):
            return self._session(song.made_of, name, key)
        source = content_key(song.source, song.made_of.name)
        if self._heard is None or self._heard[0] != source:
            self._heard = None  # one song is enough to hold
            self._heard = (source, hear_song(song.made_of.song, repair=self._options.repair))
        heard = self._heard[1]
        if song.variant:
            return self._unmixed(heard, song.variant, name, key)
        if heard.song.reference is None:
            return self._keep(heard, self._sum(heard), name, key, {})
        return self._mixed(heard, heard.song.reference, name, key)

    def _mixed(self, heard: HeardSong, reference: Path, name: str, key: str) -> Kept:
        """A song with its mix, brought onto the time of its stems."""
        mix, rate = mix_stem(reference), heard.sample_rate
        repair = self._options.repair
        found = align_song(heard.song.stems, heard.measures, mix, repair=repair)
        if isinstance(found, NoAlignment):
            raise Unsuitable(found.reason)
        target = read_mix(mix, rate, self._model.sample_rate, heard.n_samples, found, repair=repair)
        facts = {
            "delay_s": found.delay_samples / rate,
            "inverted": found.inverted,
            "gain_db": round(found.gain_db, 3),
            "coherence": round(found.coherence, 4),
        }
        return self._keep(heard, target, name, key, facts)

    def _unmixed(self, heard: HeardSong, variant: int, name: str, key: str) -> Kept:
        """One variant of a song's stems un-mixed, and the sum of the stems as they are."""
        options = self._options
        with _scratch(self._store.folder) as folder:
            altered = unmix_song(
                heard.song,
                heard.measures,
                folder,
                options.unmix,
                seed=options.seed,
                variant=variant,
                repair=options.repair,
            )
            return self._keep(hear_song(altered, repair=False), self._sum(heard), name, key, {})

    def _session(self, plan: SessionPlan, name: str, key: str) -> Kept:
        """A session rendered to files, which lie on its mix by construction."""
        with _scratch(self._store.folder) as folder:
            session = render(plan, self._bank)
            if not any(stem_T.any() for stem_T in session.stems.values()):  # a stretch of rests
                raise Unsuitable("nothing is played in it.")
            song = session_song(plan.name, session.stems, session.mix_TC, plan.sample_rate, folder)
            rates = plan.sample_rate, self._model.sample_rate
            target = read_mix(mix_stem(folder / MIX_FILE), *rates, plan.n_samples, IN_STEP, repair=False)
            # No microphone of a session is a copy or a bounce: what is not needed is not measured.
            known = HeardSong(song=song, sample_rate=plan.sample_rate)
            heard = hear_song(song, repair=False) if self._model.takes_buses else known
            return self._keep(heard, target, name, key, {})

    def _sum(self, heard: HeardSong) -> Iterator[Block]:
        rates = heard.sample_rate, self._model.sample_rate
        return read_sum(heard.song.stems, *rates, heard.n_samples, repair=self._options.repair)

    def _keep(
        self, heard: HeardSong, target: Iterable[Block], name: str, key: str, facts: Mapping[str, Any]
    ) -> Kept:
        """Write inputs and target side by side, both as long as the song or as what is wanted of it."""
        model, options = self._model, self._options
        n_samples = network_length(heard.n_samples, heard.sample_rate, model)
        if options.longest_s is not None:
            n_samples = min(n_samples, round(options.longest_s * model.sample_rate))

        def fill(arrays_KT: Block) -> Mapping[str, Any]:
            inputs = read_inputs(heard, model, options.rules, repair=options.repair)
            _fill_rows(arrays_KT[:-2], inputs)
            _fill_rows(arrays_KT[-2:], target)
            gain = _target_gain(arrays_KT, options.target_level, takes_buses=model.takes_buses)
            for start in range(0, n_samples if gain != 1 else 0, BLOCK):
                arrays_KT[-2:, start : start + BLOCK] *= np.float32(gain)
            problems = [notice.message for notice in heard.song.notices if notice.code.startswith("W")]
            return {**facts, "target_gain": gain, "stems": len(heard.song.stems), "problems": problems}

        return self._store.write(name, key, (model.n_inputs + 2, n_samples), fill)


def most_samples(song: SourceSong, model: ModelSettings, options: DataOptions) -> int:
    """The most samples that a song has when prepared, from its headers."""
    duration_s = min(song.duration_s, options.longest_s or song.duration_s)
    return int(np.ceil(duration_s * model.sample_rate)) + 1


def scratch_bytes(song: SourceSong) -> int:
    """What a song takes on the disk while it is prepared, beside what is kept."""
    if isinstance(song.made_of, SessionPlan):
        return song.made_of.n_samples * 4 * MOST_MICROPHONES
    return unmixed_bytes(song.made_of.stems) if song.variant else 0


def sweep_scratch(folder: Path) -> None:
    """Remove what processes that were killed left behind: files nobody holds, folders of a day ago."""
    if folder.is_dir():
        sweep_stale_parts(folder)
    for left in folder.glob(f"{SCRATCH}*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def _fill_rows(rows_KT: Block, blocks: Iterable[Block]) -> None:
    """Write blocks [T, K] into rows; what is too long is cut, what is too short stays zeros."""
    position, n_samples = 0, rows_KT.shape[1]
    for block_TK in blocks:
        n_taken = min(len(block_TK), n_samples - position)
        rows_KT[:, position : position + n_taken] = block_TK[:n_taken].T
        position += n_taken
        if position == n_samples:
            return


def _target_gain(arrays_KT: Block, level: Literal["mix", "stems", "peak"], *, takes_buses: bool) -> float:
    """The factor that brings a target to the level that was asked for."""
    if level == "mix":
        return 1.0
    peak, target_energy, inputs_energy = 0.0, 0.0, 0.0
    # Behind the console the last two inputs are its mix; else a mono sum stands for both sides.
    for start in range(0, arrays_KT.shape[1], BLOCK):
        part_KT = arrays_KT[:, start : start + BLOCK]
        peak = max(peak, float(np.abs(part_KT[-2:]).max(initial=0.0)))
        target_energy += float(np.square(part_KT[-2:], dtype=np.float64).sum())
        given_KT = part_KT[-4:-2] if takes_buses else part_KT[:-2].sum(axis=0, keepdims=True)
        inputs_energy += float(np.square(given_KT, dtype=np.float64).sum()) * 2 / len(given_KT)
    if level == "peak":
        return 1 / peak if peak > 0 else 1.0
    return float(np.sqrt(inputs_energy / target_energy)) if inputs_energy > 0 < target_energy else 1.0


@contextmanager
def _scratch(cache: Path) -> Iterator[Path]:
    """A folder for stems that exist only while a song is prepared."""
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache) as folder:
        yield Path(folder)
