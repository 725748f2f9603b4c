"""The sound of a plan before its master: the console's mix and what a network adds, block by block."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.console.recipe import BusRecipe
from mixcli.console.render import ConsoleBlock, ConsoleRenderer, mix_length, sounding_stems
from mixcli.mixing.plan import MixPlan
from mixcli.mixing.request import Progress
from mixcli.songs.roles import BUSES

Block = NDArray[np.float32]

BOUND_REACH_S = 0.2  # what the bound of a residual and the resamplers look ahead, generously


@dataclass(frozen=True)
class SoundBlock:
    """A block of the mix, and what the network put into it: a residual per bus, or its share of the mix."""

    start: int
    mix_TC: Block
    residuals_KTC: Block | None = None
    network_TC: Block | None = None


def excerpt(plan: MixPlan) -> tuple[int, int]:
    """The first sample and the number of samples of a plan's excerpt, at the mix's rate."""
    start = round(plan.start_s * plan.sample_rate)
    rest = max(0, mix_length(plan.song, plan.sample_rate) - start)
    if plan.duration_s is None:
        return start, rest
    return start, min(rest, max(1, round(plan.duration_s * plan.sample_rate)))


def console_share(plan: MixPlan) -> float:
    """How much of the console's mix remains: all of it, but beside a network that makes the whole mix."""
    if plan.model is None or plan.model.settings.outputs == "residual":
        return 1.0
    return max(0.0, 1.0 - network_share(plan))


def network_share(plan: MixPlan) -> float:
    """How much there is of a network that makes the whole mix.

    That is its amount, as far as it knows such songs, and not more than it is held to.
    """
    network = plan.recipe.network
    share = network.amount * (1.0 if network.familiarity is None else network.familiarity)
    return share if network.held_to is None else min(share, network.held_to)


def render_sound(plan: MixPlan, on_progress: Progress | None = None) -> Iterator[SoundBlock]:
    """Render a plan in order, in blocks; memory does not grow with the song. Raises SongError."""
    start, n_samples = excerpt(plan)
    if plan.model is None:
        blocks = _console_alone(plan, start, n_samples)
    else:
        _use_one_thread()
        if plan.model.settings.outputs == "residual":
            blocks = _with_residual(plan, start, start + n_samples)
        else:
            blocks = _with_network(plan, start, n_samples)
    for block in blocks:
        yield block
        if on_progress is not None:
            done = block.start - start + len(block.mix_TC)
            on_progress("mixing", done / plan.sample_rate, n_samples / plan.sample_rate)


def _use_one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # cores are better used by several songs, and the samples depend on it


def _console_alone(plan: MixPlan, start: int, n_samples: int) -> Iterator[SoundBlock]:
    for block_start, mix_TC in _console(plan, start, n_samples).mixes():
        yield SoundBlock(block_start, mix_TC)


def _console(plan: MixPlan, start: int, n_samples: int) -> ConsoleRenderer:
    return ConsoleRenderer(
        plan.song,
        plan.recipe,
        start=start,
        n_samples=n_samples,
        repair=plan.repair,
        processes=plan.processes,
    )


def _console_mix(block: ConsoleBlock) -> Block:
    mix_TC: Block = block.buses_KTC.sum(axis=0, dtype=np.float32) + block.returns_TC
    return mix_TC


def _with_residual(plan: MixPlan, start: int, stop: int) -> Iterator[SoundBlock]:
    """The console's mix and the residual of every bus.

    The network's grid and the bound count from the song's start, so a preview is run from there, and on past
    its end as far as the network looks ahead: it has the samples of the whole.
    """
    from mixcli.engine.residual import add_residual

    model = plan.model
    if model is None:
        return
    ahead = model.module.reach + model.module.grid
    reach = ahead / model.settings.sample_rate + BOUND_REACH_S
    heard = stop + round(reach * plan.sample_rate)
    console = _console(plan, 0, heard)
    amounts = [plan.recipe.buses.get(bus, BusRecipe()).residual_amount for bus in BUSES]
    amount = plan.recipe.network.amount
    pairs = add_residual(console, model, plan.sample_rate, bus_amounts=amounts, amount=amount)
    for block, residuals_KTC in pairs:
        first, last = max(start - block.start, 0), stop - block.start
        mix_TC = (_console_mix(block) + residuals_KTC.sum(axis=0, dtype=np.float32))[first : max(last, 0)]
        if len(mix_TC):
            yield SoundBlock(block.start + first, mix_TC, residuals_KTC=residuals_KTC[:, first:last])


def _with_network(plan: MixPlan, start: int, n_samples: int) -> Iterator[SoundBlock]:
    """The crossfade from the console's mix to the network's, by the amount."""
    gain = db_to_gain(plan.recipe.network.gain_db or 0.0)
    share, amount = np.float32(console_share(plan)), np.float32(network_share(plan) * gain)
    position = start
    for console_TC, network_TC in _side_by_side(plan, start, n_samples):
        yield SoundBlock(position, console_TC * share + network_TC * amount, network_TC=network_TC * amount)
        position += len(console_TC)


def render_apart(plan: MixPlan, on_progress: Progress | None = None) -> Iterator[tuple[Block, Block]]:
    """The console's mix and the network's own, of the whole song, in blocks `[T, 2]`. Raises SongError."""
    _use_one_thread()
    n_samples = mix_length(plan.song, plan.sample_rate)
    done = 0
    for pair in _side_by_side(plan, 0, n_samples):
        yield pair
        done += len(pair[0])
        if on_progress is not None:
            on_progress("measuring", done / plan.sample_rate, n_samples / plan.sample_rate)


def _side_by_side(plan: MixPlan, start: int, n_samples: int) -> Iterator[tuple[Block, Block]]:
    """Blocks of the console's mix, and of that of a network that mixes stems itself."""
    from mixcli.engine.direct import render_direct
    from mixcli.engine.prepare import plan_inputs

    model = plan.model
    if model is None:
        return
    stems = sounding_stems(plan.song, plan.recipe)
    inputs = plan_inputs(stems, model.settings, model_name=model.name)
    network = render_direct(
        inputs, model, plan.sample_rate, start=start, n_samples=n_samples, repair=plan.repair
    )
    waiting_TC: Block = np.zeros((0, 2), np.float32)
    for _, console_TC in _console(plan, start, n_samples).mixes():
        while len(waiting_TC) < len(console_TC):
            waiting_TC = np.concatenate([waiting_TC, next(network)])
        yield console_TC, waiting_TC[: len(console_TC)]
        waiting_TC = waiting_TC[len(console_TC) :]
