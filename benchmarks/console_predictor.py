"""Does a small network that hears all stems of a song correct the rules towards an artist's mix?

    python benchmarks/console_predictor.py STEMS_FOLDER --work DIR [--arrangers MIDI_FOLDER]
                                           [--attempts NAME ...] [--seconds 22] [--steps 300] [--seeds 3]

STEMS_FOLDER is that of rules_ablation.py; excerpts SONG-1, SONG-2 … are of one song. Each song is left out in
turn: networks learn from the others how to move what the rules decide, by energies alone, and the song's
excerpts are mixed with the mean of what they say. MIDI_FOLDER holds General MIDI songs; their parts, played
alone (needs `mido` and `fluidsynth`), teach arrangers' faders. The attempts are those of ATTEMPTS; an oracle
knows the very excerpt. Printed are the median of every measure and on how many excerpts an attempt is nearer
than the console; then the mean difference to the console, its interval over songs, and Wilcoxon's p over
excerpts. DIR keeps stems, measures and scores for another run.

Legend: N scenes, S stems, B third octaves, O offsets, F features, K families, W width.
"""

import argparse
import hashlib
import json
import pickle
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from rules_ablation import MEASURES, STEM_LUFS, Excerpt, Scores, blind_library, show
from rules_left_out import mid_loudness
from scipy.signal import welch
from torch import Tensor, nn
from torch.nn.functional import one_hot, smooth_l1_loss

from mixcli.audio.equaliser import EqualiserBand, response_db
from mixcli.audio.loudness import LoudnessMeter
from mixcli.audio.width import curve_at
from mixcli.console.character import brightness_hz, peak_factor_db
from mixcli.console.recipe import EqualiserBandRecipe, Recipe
from mixcli.console.rule_table import rule_of
from mixcli.console.rules import make_recipe
from mixcli.console.sources import group_sources
from mixcli.console.strip import pan_gains
from mixcli.console.style_of_song import how_electronic
from mixcli.evaluation.statistics import bootstrap_interval, paired_wilcoxon
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.roles import ROLES
from mixcli.songs.song import Song
from mixcli.songs.survey import Survey, select_stems, survey_song
from mixcli.songs.third_octaves import CENTRES_HZ, band_energies
from mixcli.synthesis.fluid import find_sound_font, play_parts
from mixcli.synthesis.general_midi import VOLUME, song_parts
from mixcli.synthesis.midi import read_midi, timed_messages
from mixcli.synthesis.sound_bank import SAMPLE_RATE

FAMILIES = ("vocals", "drums", "bass", "other")
BANDS = (("low_shelf", 250.0, 0.7071), ("bell", 1000.0, 0.5), ("high_shelf", 4000.0, 0.7071))
MOVES = {"level": (0,), "bands": (1, 2, 3), "side": (4,)}  # which offsets they are
N_OFFSETS = 5
MOST_DB = 6.0  # of any offset
PULL_DB = 0.5  # what offsets of MOST_DB everywhere cost: so much nearer they have to be
MOST_STEMS = 24
N_FEWER, N_FEWER_ARRANGED = 40, 8  # scenes of a song with fewer stems and names
STRETCH_S, EVERY_SONG = 20.0, 2  # of arrangers
DRUM_KEYS = {
    "drums.kick": (35, 36), "drums.snare": (37, 38, 40), "drums.clap": (39,), "drums.hihat": (42, 44, 46),
    "drums.tom": (41, 43, 45, 47, 48, 50), "drums.cymbal": (49, 51, 52, 53, 55, 57, 59),
    "perc.hand": (54, 56, *range(58, 82)),
}  # fmt: skip
CENTRES_B = np.array(CENTRES_HZ)
SHAPES_OB = torch.tensor(
    np.array([
        response_db([EqualiserBand(kind, hertz, 1.0, q)], SAMPLE_RATE, CENTRES_B) for kind, hertz, q in BANDS
    ]),
    dtype=torch.float32,
)  # fmt: skip
TONE_B = torch.from_numpy((CENTRES_B > 45) & (CENTRES_B < 17_000))
WIDTH_B = torch.from_numpy((CENTRES_B > 120) & (CENTRES_B < 11_000))
LEVEL, ALL = ("level",), ("level", "bands", "side")


@dataclass(frozen=True)
class Attempt:
    """What is moved, by whom, and whose mixes teach it."""

    moves: tuple[str, ...] = LEVEL
    width: int = 64  # of the network; 0: no network, constants
    each_stem: bool = False  # or each family
    teachers: tuple[str, ...] = ("artist",)
    oracle: bool = False

    @property
    def n_goals(self) -> int:
        """Levels learn from balance alone, the others from balance, tone and width."""
        return 1 if self.moves == LEVEL else 3


ATTEMPTS = {
    "constant levels": Attempt(width=0),
    "levels": Attempt(),
    "constants": Attempt(ALL, width=0),
    "levels, bands, side": Attempt(ALL, width=256),
    "side": Attempt(("side",)),
    "levels of arrangers": Attempt(teachers=("arrangers",)),
    "levels of both in turn": Attempt(teachers=("arrangers", "artist")),
    "level of each stem": Attempt(width=128, each_stem=True),
    "level of each stem, of both in turn": Attempt(
        width=128, each_stem=True, teachers=("arrangers", "artist")
    ),
    "oracle: levels": Attempt(width=0, oracle=True),
    "oracle: levels, bands, side": Attempt(ALL, width=0, oracle=True),
    "oracle: level of each stem": Attempt(width=0, each_stem=True, oracle=True),
}


@dataclass(frozen=True)
class Material:
    """A song of blind stems; of each the loudness in the mix, LUFS, and the spectra of mid and side."""

    song: Song
    survey: Survey
    lufs: dict[str, float]
    spectra: dict[str, np.ndarray]


class Scene(NamedTuple):
    """Some stems of a song as the network and its teacher see them, empty rows below; stacked, [N, …]."""

    features_SF: Tensor
    role_S: Tensor
    family_S: Tensor
    known_S: Tensor
    ruled_SB: Tensor  # energies of the mids in the rules' mix
    made_SB: Tensor  # side over mid as the rules make it
    panned_S: Tensor  # and by the pan
    human_SB: Tensor  # energies of the mids in the human's mix
    human_side_SB: Tensor


def by_artist(blind: Path, source: Path) -> Material:
    song = read_song(blind, DiscoveryOptions())
    given = {stem.name: source / f"{Path(stem.name).stem}.ogg" for stem in song.stems}
    lufs = {name: mid_loudness(path) for name, path in given.items()}
    spectra = {name: spectra_of(path) for name, path in given.items()}
    return Material(song, survey_song(song, song.stems[0].sample_rate), lufs, spectra)


def by_arranger(midi: Path, folder: Path) -> Material | None:
    """The parts of a song's densest stretch, each played alone; None for fewer than four."""
    timed = timed_messages(read_midi(midi))
    onsets = np.array([time_s for time_s, message in timed if message.type == "note_on"])
    starts = np.arange(0.0, onsets.max(initial=STRETCH_S), STRETCH_S / 2)
    dense = [((onsets >= start) & (onsets < start + STRETCH_S)).sum() for start in starts]
    parts = []
    for part in song_parts(midi, float(starts[np.argmax(dense)]), STRETCH_S):
        pieces = DRUM_KEYS if part.role == "drums.kit" else {part.role: tuple(range(128))}
        for role, keys in pieces.items():
            own = tuple(each for each in part.messages if getattr(each[1], "note", keys[0]) in keys)
            parts.append((role, replace(part, messages=own)))
    parts = [(role, part) for role, part in parts if len(part.strokes) >= 8]
    if len(parts) < 4:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    sounds = play_parts([part for _, part in parts], STRETCH_S, find_sound_font(folder))
    lufs, roles = {}, {}
    for number, ((role, part), sound_TC) in enumerate(zip(parts, sounds, strict=True)):
        mid_T = sound_TC.mean(axis=1)
        meter = LoudnessMeter(SAMPLE_RATE, 2)
        meter.push(np.stack([mid_T, mid_T], axis=1))
        fader = np.median([value for _, value in part.mixer[VOLUME]])
        if np.isfinite(meter.integrated_lufs()) and fader > 0:
            gain = min(10 ** ((STEM_LUFS - meter.integrated_lufs()) / 20), 0.99 / np.abs(mid_T).max())
            soundfile.write(folder / f"{number:02}.flac", mid_T * gain, SAMPLE_RATE, subtype="PCM_24")
            # General MIDI 2: a gain is the square of the volume.
            lufs[f"{number:02}.flac"] = meter.integrated_lufs() + 40 * np.log10(fader / 127)
            roles[f"{number:02}.flac"] = role
    song = read_song(folder, DiscoveryOptions())
    song = replace(song, stems=tuple(replace(stem, role=roles[stem.name]) for stem in song.stems))
    spectra = {name: spectra_of(folder / name) for name in lufs}
    return Material(song, survey_song(song, SAMPLE_RATE), lufs, spectra)


def spectra_of(path: Path) -> np.ndarray:
    sound_TC, rate = soundfile.read(path, always_2d=True)
    sides = (sound_TC.mean(axis=1), (sound_TC[:, 0] - sound_TC[:, -1]) / 2)
    spectra = [welch(side_T, rate, nperseg=16_384) for side_T in sides]
    return np.stack([band_energies(hertz_F, power_F) for hertz_F, power_F in spectra])


def fewer(material: Material, rng: np.random.Generator) -> Material:
    """The song without some of its stems, and some without what their names say."""
    stems = material.song.stems
    n = min(int(rng.integers(max(3, len(stems) // 2), len(stems) + 1)), MOST_STEMS)
    unnamed = rng.choice([0.0, 0.1, 0.4])
    kept = tuple(
        replace(stems[index], role="other") if rng.random() < unnamed else stems[index]
        for index in sorted(rng.permutation(len(stems))[:n])
    )
    survey = select_stems(material.survey, [stem.name for stem in kept])
    return replace(material, song=replace(material.song, stems=kept), survey=survey)


def scene_of(material: Material) -> Scene:
    stems = material.song.stems[:MOST_STEMS]
    recipe = make_recipe(material.song, material.survey).stems
    loudness = {stem.name: material.survey.stems[stem.name].loudness_lufs for stem in stems}
    levels_S = np.array([recipe[stem.name].gain_db + loudness[stem.name] for stem in stems])
    total_db = 10 * np.log10((10 ** (levels_S / 10)).sum())
    electronic = how_electronic(group_sources(stems))
    rows = []
    for stem, level_db in zip(stems, levels_S, strict=True):
        heard, moves = material.survey.stems[stem.name], recipe[stem.name]
        thirds_B = np.array(heard.third_octaves)
        hops_H = 10 * np.log10(heard.hop_energies + 1e-9)
        features_F = [
            *np.maximum(10 * np.log10(thirds_B / thirds_B.sum() + 1e-9), -50.0),
            peak_factor_db(heard, heard.loudness_lufs),
            np.log2(max(brightness_hz(heard), 20.0)),
            heard.active_fraction,
            hops_H[hops_H >= min(heard.loudness_lufs - 20, hops_H.max())].std(),
            level_db - levels_S.mean(),
            level_db - total_db,
            np.log2(len(stems)),
            electronic,
        ]
        made_B = np.zeros(len(CENTRES_B))
        if moves.side_from_mid_db is not None:
            made_B = 10 ** (curve_at(moves.side_from_mid_db, CENTRES_B) / 10)
        left, right = pan_gains(moves.pan)
        mid_B, side_B = material.spectra[stem.name]
        ruled_B = mid_B * 10 ** ((level_db - material.lufs[stem.name]) / 10)
        family = FAMILIES.index(rule_of(stem.role).family)
        panned = ((left - right) / 2) ** 2
        rows.append((features_F, ROLES.index(stem.role), family, 1.0, ruled_B, made_B, panned, mid_B, side_B))
    tensors = []
    for values in zip(*rows, strict=True):
        value = np.array(values)
        below = np.zeros((MOST_STEMS - len(value), *value.shape[1:]), value.dtype)
        tensors.append(torch.from_numpy(np.concatenate([value, below])))
    scene = Scene(*(each if each.dtype == torch.int64 else each.float() for each in tensors))
    ruled, human = scene.ruled_SB.sum(), scene.human_SB.sum()
    return scene._replace(
        ruled_SB=scene.ruled_SB / ruled,
        human_SB=scene.human_SB / human,
        human_side_SB=scene.human_side_SB / human,
    )


def stacked(scenes: Sequence[Scene]) -> Scene:
    return Scene(*(torch.stack(each) for each in zip(*scenes, strict=True)))


class Predictor(nn.Module):
    """Offsets of every stem [N, S, O] in dB, alike within a family if so attempted; zero at the start.

    A stem's features become W numbers; mean and maximum of these over its family and over all stems say what
    is done. So the order of the stems does not matter.
    """

    def __init__(self, attempt: Attempt, scenes: Scene) -> None:
        super().__init__()
        self.attempt, width = attempt, attempt.width
        places = [place for move in attempt.moves for place in MOVES[move]]
        self.register_buffer("moved_O", torch.zeros(N_OFFSETS).index_fill(0, torch.tensor(places), 1.0))
        if width == 0:
            n_rows = MOST_STEMS if attempt.each_stem else len(FAMILIES)
            self.constants = nn.Parameter(torch.zeros(n_rows, N_OFFSETS))
            return
        heard_SF = scenes.features_SF[scenes.known_S > 0]
        self.register_buffer("middle_F", heard_SF.mean(0))
        self.register_buffer("spread_F", heard_SF.std(0).clamp(min=0.05))
        self.role = nn.Embedding(len(ROLES), 8)
        n_features = heard_SF.shape[1] + 8 + len(FAMILIES)
        self.stem = nn.Sequential(
            nn.Linear(n_features, width), nn.GELU(), nn.Dropout(0.2), nn.Linear(width, width), nn.GELU()
        )
        n_seen = (5 if attempt.each_stem else 4) * width + len(FAMILIES)
        self.head = nn.Sequential(
            nn.Dropout(0.2), nn.Linear(n_seen, width), nn.GELU(), nn.Linear(width, N_OFFSETS)
        )
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)

    def forward(self, scenes: Scene) -> Tensor:
        family_NSK = one_hot(scenes.family_S, len(FAMILIES)).float()
        if self.attempt.width == 0:
            rows = self.constants if self.attempt.each_stem else family_NSK @ self.constants
            offsets_NSO = rows.expand(len(family_NSK), -1, -1)
        else:
            features_NSF = (scenes.features_SF - self.middle_F) / self.spread_F
            heard_NSF = torch.cat([features_NSF, self.role(scenes.role_S), family_NSK], dim=-1)
            hidden_NSW = self.stem(heard_NSF)
            own_NSK = family_NSK * scenes.known_S[..., None]
            groups_NSK = torch.cat([own_NSK, scenes.known_S[..., None]], dim=-1)  # the last one: all stems
            mean_NKW = groups_NSK.mT @ hidden_NSW / groups_NSK.sum(1).clamp(min=1)[..., None]
            apart_NSKW = hidden_NSW[:, :, None] * groups_NSK[..., None] - 1e4 * (1 - groups_NSK[..., None])
            pooled_NKW = torch.cat([mean_NKW, apart_NSKW.amax(1).clamp(min=-1)], dim=-1)  # no GELU is below
            own_NKW, all_NKW = pooled_NKW[:, :-1], pooled_NKW[:, -1:].expand(-1, len(FAMILIES), -1)
            names_NKK = torch.eye(len(FAMILIES)).expand(len(hidden_NSW), -1, -1)
            seen_NKW = torch.cat([own_NKW, all_NKW, names_NKK], dim=-1)
            if self.attempt.each_stem:
                offsets_NSO = self.head(torch.cat([family_NSK @ seen_NKW, hidden_NSW], dim=-1))
            else:
                offsets_NSO = family_NSK @ self.head(seen_NKW)
        return MOST_DB * torch.tanh(offsets_NSO / MOST_DB) * self.moved_O


def distances(scenes: Scene, offsets_NSO: Tensor) -> Tensor:
    """How far the moved rules lie from the human's mix by energies: balance, tone, width in dB, [N, 3].

    A common gain does not count; differences under 1 dB count less.
    """

    def mean(values: Tensor, weight: Tensor) -> Tensor:
        return (values * weight).sum(-1, keepdim=True) / weight.sum(-1, keepdim=True)

    def apart(difference: Tensor, weight: Tensor) -> Tensor:
        loss = smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")
        return mean(loss, weight)[..., 0]

    curve_NSB = offsets_NSO[..., :1] + offsets_NSO[..., 1:4] @ SHAPES_OB
    mid_NSB = scenes.ruled_SB * 10 ** (curve_NSB / 10)
    levels_NS = 10 * torch.log10((mid_NSB.sum(-1) + 1e-12) / (scenes.human_SB.sum(-1) + 1e-12))
    balance_N = apart(levels_NS - mean(levels_NS, scenes.known_S), scenes.known_S)
    mid_NB, human_NB = mid_NSB.sum(1) + 1e-12, scenes.human_SB.sum(1) + 1e-12
    tone_NB = 10 * torch.log10(mid_NB / human_NB)[:, TONE_B]
    tone_N = apart(tone_NB - tone_NB.mean(-1, keepdim=True), torch.ones_like(tone_NB))
    made_NSB = scenes.made_SB * 10 ** (offsets_NSO[..., 4:] / 10) + scenes.panned_S[..., None]
    side_NB, human_side_NB = (mid_NSB * made_NSB).sum(1), scenes.human_side_SB.sum(1)
    width_NB = 10 * torch.log10((side_NB / mid_NB + 1e-4) / (human_side_NB / human_NB + 1e-4))[:, WIDTH_B]
    return torch.stack([balance_N, tone_N, apart(width_NB, human_NB[:, WIDTH_B] ** 0.25)], dim=-1)


def trained(attempt: Attempt, teachers: Sequence[Scene], *, steps: int, seed: int) -> Predictor:
    """A predictor that has learnt from each of the stacks of scenes, one after the other."""
    torch.manual_seed(seed)
    model = Predictor(attempt, teachers[0])
    pull_db = 0.0 if attempt.oracle else PULL_DB
    for number, scenes in enumerate(teachers):
        rate = (1e-3 if attempt.width else 5e-2) * (0.3 if number else 1.0)
        optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
        model.train()
        for _ in range(steps):
            drawn = torch.randint(len(scenes.known_S), (1 if attempt.oracle else 48,))
            batch = Scene(*(each[drawn] for each in scenes))
            offsets_NSO = model(batch)
            pulled_NS = ((offsets_NSO / MOST_DB) ** 2).sum(-1) / model.moved_O.sum() * batch.known_S
            apart_N = distances(batch, offsets_NSO)[:, : attempt.n_goals].sum(-1)
            loss = apart_N.mean() + pull_db * pulled_NS.sum() / batch.known_S.sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def moved(recipe: Recipe, names: Sequence[str], offsets_SO: np.ndarray) -> Recipe:
    """A recipe with offsets on its stems."""
    stems = dict(recipe.stems)
    for name, (level_db, *bands_db, side_db) in zip(names, offsets_SO.round(2).tolist(), strict=False):
        stem = stems[name]
        bands = [
            EqualiserBandRecipe(kind=kind, frequency_hz=hertz, gain_db=gain_db, q=q)
            for (kind, hertz, q), gain_db in zip(BANDS, bands_db, strict=True)
            if gain_db
        ]
        side = {hertz: min(0.0, db + side_db) for hertz, db in (stem.side_from_mid_db or {}).items()}
        changes = {"gain_db": stem.gain_db + level_db, "equaliser": [*stem.equaliser, *bands]}
        stems[name] = stem.model_copy(update={**changes, "side_from_mid_db": side or None})
    return recipe.model_copy(update={"stems": stems})


class Study:
    """The material, and what the attempts make of it."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        folders = blind_library(asked.stems, asked.work / "blind")
        self.songs = [folder.name.rsplit("-", 1)[0] for folder in folders]
        self.materials = self._kept(
            "artist", lambda: [by_artist(folder, asked.stems / folder.name) for folder in folders]
        )
        self.excerpts = self._kept(
            f"excerpts-{asked.seconds:g}", lambda: [Excerpt(folder, asked.seconds) for folder in folders]
        )
        self.scenes = self._kept("scenes", lambda: [self._scenes(each, N_FEWER) for each in self.materials])
        self.arranged: list[Scene] = []
        if asked.arrangers:
            midis = sorted(asked.arrangers.glob("*.mid"))[::EVERY_SONG]
            made = self._kept(
                "arrangers", lambda: [by_arranger(midi, asked.work / "midi" / midi.stem) for midi in midis]
            )
            known = [material for material in made if material is not None]
            self.arranged = self._kept(
                "arranged", lambda: [one for each in known for one in self._scenes(each, N_FEWER_ARRANGED)]
            )
            print(f"arrangers: {len(known)} songs, {sum(len(each.lufs) for each in known)} parts")
        scored = asked.work / "scores.json"
        self.scored = json.loads(scored.read_text()) if scored.exists() else {}

    def _kept(self, name: str, make: Callable[[], Any]) -> Any:
        path = self.asked.work / f"{name}.pickle"
        if not path.exists():
            path.write_bytes(pickle.dumps(make()))
        return pickle.loads(path.read_bytes())

    @staticmethod
    def _scenes(material: Material, n_fewer: int) -> list[Scene]:
        """The whole song first, then parts of it."""
        rng = np.random.default_rng(len(material.lufs))
        return [scene_of(material), *(scene_of(fewer(material, rng)) for _ in range(n_fewer))]

    def offsets(self, attempt: Attempt) -> list[np.ndarray]:
        """Of each excerpt's stems [S, O], by predictors that do not know its song."""
        found, models = [], {}
        for index, song in enumerate(self.songs):
            key = song if "artist" in attempt.teachers else ""
            if attempt.oracle:
                models[key] = [self._trained(attempt, self.scenes[index][:1], 0)]
            elif key not in models:
                pairs = zip(self.songs, self.scenes, strict=True)
                others = [scene for each, scenes in pairs if each != song for scene in scenes]
                seeds = range(self.asked.seeds if attempt.width else 1)
                models[key] = [self._trained(attempt, others, seed) for seed in seeds]
            with torch.no_grad():
                said = [model(stacked(self.scenes[index][:1]))[0] for model in models[key]]
            found.append(torch.stack(said).mean(0).numpy())
        return found

    def _trained(self, attempt: Attempt, own: Sequence[Scene], seed: int) -> Predictor:
        scenes = {"artist": own, "arrangers": self.arranged}
        teachers = [stacked(scenes[name]) for name in attempt.teachers]
        return trained(attempt, teachers, steps=self.asked.steps, seed=seed)

    def scores(self, offsets: Sequence[np.ndarray] | None) -> Scores:
        """Every measure of the mixes with these offsets, or of the rules' own."""
        found = []
        for index, (material, excerpt) in enumerate(zip(self.materials, self.excerpts, strict=True)):
            recipe = make_recipe(material.song, material.survey)
            if offsets is not None:
                recipe = moved(recipe, [stem.name for stem in material.song.stems], offsets[index])
            asked = f"{index} {self.asked.seconds} {recipe.model_dump_json()}"
            key = hashlib.sha256(asked.encode()).hexdigest()
            if key not in self.scored:
                self.scored[key] = {name: float(value) for name, value in excerpt.score(recipe).items()}
            found.append(self.scored[key])
        (self.asked.work / "scores.json").write_text(json.dumps(self.scored))
        return {key: [values[key] for values in found] for key in MEASURES}

    def compare(self, name: str, found: Scores, console: Scores) -> None:
        cells = []
        for key in MEASURES:
            apart = np.array(found[key]) - np.array(console[key])
            songs = [apart[np.array(self.songs) == song].mean() for song in sorted(set(self.songs))]
            low, high = bootstrap_interval(songs, n_draws=10_000, seed=0, statistic=np.mean)
            p = paired_wilcoxon(found[key], console[key])
            cells.append(f"{np.mean(songs):+.2f} [{low:+.2f}..{high:+.2f}] {p:.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="keeps stems, measures and scores")
    parser.add_argument("--arrangers", type=Path, help="General MIDI songs")
    parser.add_argument("--attempts", nargs="+", choices=ATTEMPTS, default=list(ATTEMPTS))
    parser.add_argument("--seconds", type=float, default=22.0)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    study = Study(asked)
    console = study.scores(None)
    show("the console", console, console)
    found: dict[str, Scores] = {}
    for name in asked.attempts:
        attempt = ATTEMPTS[name]
        if "arrangers" in attempt.teachers and not study.arranged:
            continue
        found[name] = study.scores(study.offsets(attempt))
        n = sum(each.numel() for each in Predictor(attempt, stacked(study.scenes[0])).parameters())
        show(f"{name}, {n} weights" if attempt.width else name, found[name], console)
    for name, scores in found.items():
        study.compare(name, scores, console)


if __name__ == "__main__":
    sys.exit(main())
