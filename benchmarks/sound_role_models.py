"""The small networks that tell roles from sounds: learning them, judging them, writing them down."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from mixcli.songs.heard_roles import sure_of
from mixcli.songs.sound_roles import CLASSES, LABELS, MOST_DEVIATIONS

HIDDEN = 32
DROP = 0.3
MEMBERS = 4
STEPS = 300
NOISE = 0.4
GROUPS = [one.group for one in CLASSES]
GROUP_SHARES = {"vox": 0.25, "drums": 0.3, "bass": 0.1, "gtr": 0.12, "tones": 0.2, "fx": 0.03}
SOURCE_SHARES = {"songs": 3.0}
LICENCE = (
    "Apache-2.0. Learned from, and holding no sound of: everything-is-free stems (CC0); Groove MIDI Dataset "
    "(CC BY 4.0: Gillick, Roberts, Engel, Eck, Bamman, Learning to Groove with Inverse Sequence "
    "Transformations, ICML 2019); MuldjordKit (CC BY 4.0: Lars Muldjord, DrumGizmo.org, kinwie); gogodze, "
    "frankensnare and single notes by karoryfer (CC0); Freedoom music (BSD-3-Clause: contributors to the "
    "Freedoom project) on FluidR3 GM (MIT: Frank Wen); impulse responses by Greg Hopkins (CC BY), OpenAIR, "
    "AudioLab, University of York (CC BY 4.0) and Kristoffer Ekstrand (CC BY 4.0)."
)


@dataclass(frozen=True)
class Sounds:
    """What was measured, [N, V], with classes [N], and where each sound comes from."""

    numbers: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    groups: np.ndarray
    names: np.ndarray

    def where(self, chosen: np.ndarray) -> "Sounds":
        return Sounds(*(getattr(self, field)[chosen] for field in self.__dataclass_fields__))


def load(paths: list[Path]) -> Sounds:
    files = [np.load(path) for path in paths]
    parts = {key: np.concatenate([file[key] for file in files]) for key in files[0].files}
    labels = np.array([LABELS.index(label) for label in parts["labels"]])
    return Sounds(parts["numbers"], labels, parts["sources"], parts["groups"], parts["names"])


def learn(sounds: Sounds, seed: int, members: int = MEMBERS) -> dict[str, np.ndarray]:
    """The weights of an ensemble: float32, but for the temperature as the runtime reads them."""
    mean, deviation = sounds.numbers.mean(axis=0), sounds.numbers.std(axis=0) + 0.1
    scaled = np.clip((sounds.numbers - mean) / deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    inputs, labels = torch.tensor(scaled, dtype=torch.float32), torch.tensor(sounds.labels)
    weights = torch.tensor(_balance(sounds), dtype=torch.float32)
    parts: dict[str, list[np.ndarray]] = {"first": [], "first_bias": [], "second": [], "second_bias": []}
    for member in range(members):
        torch.manual_seed(1_000 * seed + member)
        first = torch.nn.Linear(inputs.shape[1], HIDDEN)
        second = torch.nn.Linear(HIDDEN, len(CLASSES))
        layers = torch.nn.ModuleList([first, second])
        optimiser = torch.optim.AdamW(layers.parameters(), lr=4e-3, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=STEPS)
        for _ in range(STEPS):
            chosen = torch.multinomial(weights, 256, replacement=True)
            seen = inputs[chosen] + NOISE * torch.randn(256, inputs.shape[1])
            hidden = torch.nn.functional.dropout(torch.relu(first(torch.dropout(seen, DROP, True))), 0.3)
            loss = torch.nn.functional.cross_entropy(second(hidden), labels[chosen], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        for name, layer in (("first", first), ("second", second)):
            parts[name].append(layer.weight.detach().numpy())
            parts[f"{name}_bias"].append(layer.bias.detach().numpy())
    stacked = {name: np.stack(part).astype(np.float16) for name, part in parts.items()}
    return stacked | {"mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}


def _balance(sounds: Sounds) -> np.ndarray:
    """How often each sound is drawn: groups as often as sessions have them, real songs before played ones.

    Within a group classes count by the root of their number, and sources within a class by theirs.
    """
    weights = np.zeros(len(sounds.labels))
    for label in np.unique(sounds.labels):
        own = sounds.labels == label
        for source in np.unique(sounds.sources[own]):
            part = own & (sounds.sources == source)
            weights[part] = SOURCE_SHARES.get(str(source), 1.0) / np.sqrt(part.sum())
        weights[own] *= np.sqrt(own.sum()) / weights[own].sum()
    groups = np.array(GROUPS)[sounds.labels]
    for group in np.unique(groups):
        weights[groups == group] *= GROUP_SHARES[str(group)] / weights[groups == group].sum()
    return weights


def scores(weights: dict[str, np.ndarray], numbers: np.ndarray) -> np.ndarray:
    """The ensemble's mean scores, [N, K]: what the runtime does, for many at once."""
    w = {name: part.astype(np.float64) for name, part in weights.items()}
    scaled = np.clip((numbers - w["mean"]) / w["deviation"], -MOST_DEVIATIONS, MOST_DEVIATIONS)
    hidden = np.maximum(np.einsum("mhv,nv->nmh", w["first"], scaled) + w["first_bias"], 0.0)
    return (np.einsum("mkh,nmh->nmk", w["second"], hidden) + w["second_bias"]).mean(axis=1)


def shares(scores_NK: np.ndarray, temperature: float) -> np.ndarray:
    likely = np.exp((scores_NK - scores_NK.max(axis=1, keepdims=True)) / temperature)
    return likely / likely.sum(axis=1, keepdims=True)


def group_shares(shares_NK: np.ndarray) -> tuple[list[str], np.ndarray]:
    names = sorted(set(GROUPS))
    member = np.array([[group == name for name in names] for group in GROUPS], float)
    return names, shares_NK @ member


def best_temperature(scores_NK: np.ndarray, labels: np.ndarray) -> float:
    """The one that makes the shares of left-out sounds likeliest, by groups: calibrated, or more doubtful."""
    names = sorted(set(GROUPS))
    wanted = np.array([names.index(GROUPS[label]) for label in labels])
    tried = np.geomspace(0.5, 5.0, 40)
    losses = []
    for temperature in tried:
        _, found = group_shares(shares(scores_NK, temperature))
        losses.append(-np.log(found[np.arange(len(wanted)), wanted] + 1e-9).mean())
    return float(tried[int(np.argmin(losses))])


def judge(sounds: Sounds, whole: Sounds, seed: int) -> float:
    """Print how sounds are told by models that heard nothing of their song or source; the temperature.

    `whole` are the songs' stems as they are, `sounds` what is learned from. Each song is left out alone, and
    so is each of the played sources.
    """
    songs = [str(group) for group in np.unique(whole.groups)]
    found, labels = {}, {}
    for song in songs:
        weights = learn(sounds.where(sounds.groups != song), seed)
        heard = whole.where(whole.groups == song)
        found[song], labels[song] = scores(weights, heard.numbers), heard.labels
    for source in np.unique(sounds.sources[sounds.sources != "songs"]):
        heard = sounds.where(sounds.sources == source)
        weights = learn(sounds.where(sounds.sources != source), seed)
        found[str(source)], labels[str(source)] = scores(weights, heard.numbers), heard.labels
    of_songs, of_labels = (np.concatenate([part[song] for song in songs]) for part in (found, labels))
    temperature = best_temperature(of_songs, of_labels)
    print(f"temperature {temperature:.2f}")
    for turn in found:
        _report(turn, found[turn], labels[turn], temperature)
    _report("all songs", of_songs, of_labels, temperature)
    names, groups_NG = group_shares(shares(of_songs, temperature))
    table = np.zeros((len(names), len(names)), int)
    for label, row in zip(of_labels, groups_NG, strict=True):
        table[names.index(GROUPS[label]), int(row.argmax())] += 1
    print("songs, row: what it is, column: likeliest group\n", names, "\n", table)
    return temperature


def _report(turn: str, scores_NK: np.ndarray, labels: np.ndarray, temperature: float) -> None:
    names, groups_NG = group_shares(shares(scores_NK, temperature))
    is_right = groups_NG.argmax(axis=1) == [names.index(GROUPS[label]) for label in labels]
    taken = groups_NG.max(axis=1) >= np.array([sure_of(names[best]) for best in groups_NG.argmax(axis=1)])
    words = f"right {np.mean(taken & is_right):.0%}, wrong {np.mean(taken & ~is_right):.0%}"
    print(
        f"{turn}: {len(labels)} stems, {words}, other {np.mean(~taken):.0%}; "
        f"likeliest right {is_right.mean():.0%}"
    )


def write(path: Path, weights: dict[str, np.ndarray], temperature: float) -> None:
    path.parent.mkdir(exist_ok=True)
    metadata = {"format": "1", "classes": " ".join(LABELS), "licence": LICENCE}
    save_file(weights | {"temperature": np.array(temperature, np.float32)}, path, metadata)
    path.chmod(0o644)
