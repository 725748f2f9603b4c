"""The one way from a song to a network's input, for mixing and for training.

Letters: K buses or inputs, T samples, C = 2 channels.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from mixcli.errors import CheckpointError
from mixcli.models.model_paths import default_model
from mixcli.models.settings import ModelSettings, split_input
from mixcli.songs.listing import path_key
from mixcli.songs.roles import family_of
from mixcli.songs.song import Stem
from mixcli.songs.stem_reader import StemReader

Block = NDArray[np.float32]
Channel = Literal["mean", "left", "right"]


@dataclass(frozen=True)
class Feed:
    """A stem, or one of its sides, as part of an input; `mean` folds a stereo stem to mono."""

    stem: Stem
    channel: Channel


@dataclass(frozen=True)
class InputPlan:
    """What is summed into each input of a network, in the order of the inputs; nothing is silence."""

    inputs: tuple[tuple[Feed, ...], ...]
    sample_rate: int

    @property
    def stems(self) -> tuple[Stem, ...]:
        """The stems that are read, each once, in the order of their names."""
        found = {feed.stem.name: feed.stem for feeds in self.inputs for feed in feeds}
        return tuple(found[name] for name in sorted(found))


def bus_inputs(buses_KTC: Block, mix_TC: Block) -> Block:
    """Lay the console's buses and its mix side by side as BUS_INPUTS names them, `[T, 18]`."""
    n_samples = mix_TC.shape[0]
    buses_TK = buses_KTC.transpose(1, 0, 2).reshape(n_samples, 2 * len(buses_KTC))
    return np.concatenate([buses_TK, mix_TC], axis=1)


def plan_inputs(stems: Sequence[Stem], settings: ModelSettings, *, model_name: str = "") -> InputPlan:
    """Decide which stems a network that mixes stems directly gets at which input.

    Stems of one role are summed; `:L` and `:R` take the sides of a stereo stem, a mono stem goes to both,
    or to the one its name says; numbered inputs take one stem each in the natural order of their names, the
    last also all that are left. Inputs without a stem are silence. Raises CheckpointError E402 when the
    network has no input for a stem.
    """
    _refuse_strangers(stems, settings, model_name)
    by_role: dict[str, list[Stem]] = {}
    for stem in sorted(stems, key=lambda stem: path_key(stem.name)):
        by_role.setdefault(stem.role, []).append(stem)
    roles = [split_input(name)[0] for name in settings.inputs]
    return InputPlan(
        inputs=tuple(
            tuple(_feeds(by_role.get(role, []), split_input(name)[1], roles.count(role)))
            for name, role in zip(settings.inputs, roles, strict=True)
        ),
        sample_rate=settings.sample_rate,
    )


class InputReader:
    """The inputs of a network as one stream: float32 `[n, K]` at the model's rate, silence after the end."""

    def __init__(self, plan: InputPlan, *, start: int = 0, repair: bool = False) -> None:
        self._plan = plan
        with ExitStack() as opening:
            self._readers = {
                stem.name: opening.enter_context(
                    StemReader(stem, plan.sample_rate, start=start, repair=repair)
                )
                for stem in plan.stems
            }
            self._open_stems = opening.pop_all()
        self.n_samples = max((reader.n_samples for reader in self._readers.values()), default=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_stems.close()

    def read(self, n_samples: int) -> Block:
        """Read the next samples of all inputs, always `n_samples` of them."""
        blocks = {name: reader.read(n_samples) for name, reader in self._readers.items()}
        inputs_TK = np.zeros((n_samples, len(self._plan.inputs)), np.float32)
        for number, feeds in enumerate(self._plan.inputs):
            for feed in feeds:
                inputs_TK[:, number] += _channel_of(blocks[feed.stem.name], feed.channel)
        return inputs_TK


def _channel_of(block_TC: Block, channel: Channel) -> NDArray[np.float32]:
    if channel == "left":
        return block_TC[:, 0]
    if channel == "right":
        return block_TC[:, -1]
    mean_T: NDArray[np.float32] = block_TC.mean(axis=1, dtype=np.float32)
    return mean_T


def _feeds(stems: list[Stem], part: str, n_inputs: int) -> list[Feed]:
    """Choose what one input gets of the stems of its role, which has `n_inputs` inputs."""
    if part.isdigit():
        number = int(part) - 1
        chosen = stems[number:] if number == n_inputs - 1 else stems[number : number + 1]
        return [Feed(stem, "mean") for stem in chosen]
    if part == "":
        return [Feed(stem, "mean") for stem in stems]
    side: Channel = "left" if part == "L" else "right"
    feeds = []
    for stem in stems:
        if stem.n_channels == 2:
            feeds.append(Feed(stem, side))
        elif stem.attributes.get("side") in (None, "C", "M", part):
            feeds.append(Feed(stem, "mean"))
    return feeds


def _refuse_strangers(stems: Sequence[Stem], settings: ModelSettings, model_name: str) -> None:
    roles = {split_input(name)[0] for name in settings.inputs}
    strangers = [stem.role for stem in stems if stem.role not in roles]
    if not strangers:
        return
    families = sorted({family_of(role) for role in roles})
    foreign = [family_of(role) for role in strangers if family_of(role) not in families]
    if foreign:
        message = (
            f'model "{model_name}" mixes {", ".join(families)} only ({settings.n_inputs} inputs);'
            f" this song has {', '.join(dict.fromkeys(foreign))}."
        )
        raise CheckpointError(message, code="E402", hint=_other_ways())
    message = f'model "{model_name}" has no input for {", ".join(dict.fromkeys(strangers))}.'
    raise CheckpointError(message, code="E402", hint=f"{_other_ways()}, or --exclude these stems")


def _other_ways() -> str:
    default = default_model()
    return "--amount 0 for the console alone" if default is None else f"-m {default}"
