"""Steps of training per second, in 32-bit and 16-bit floats, against a plain loop over the same network.

    python benchmarks/train_speed.py [--batch 2] [--samples 65536] [--threads 2] [--rounds 5] [--steps 3]

For the layouts `paper` and `base`. The plain loop is what one writes first in PyTorch: conv1d over
`[B, F, T]` in 32-bit floats, the mean absolute difference, Adam. mixcli's are the steps that `mixcli train`
takes, of the same weights and the same noise, with the same loss. That both networks give the same is checked
first. All loops of a layout take turns, so that what else the machine does is shared among them; printed are
medians of the rounds, and the median, over the rounds, of the ratio to the plain loop.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from mixcli.models.checkpoint import build_model
from mixcli.models.features_last import low_pass_taps
from mixcli.models.mix_wave_u_net import MixWaveUNet
from mixcli.models.settings import BASE, PAPER, ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.batches import Batch, Batches
from mixcli.training.bound import bound_residual
from mixcli.training.checkpoints import Progress
from mixcli.training.loop import piece_shape
from mixcli.training.pieces import Piece
from mixcli.training.processes import Processes
from mixcli.training.state import State, make_optimizer
from mixcli.training.step import Stepper

SAME = 1e-4  # of the loudest sample
Loop = Callable[[], float]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--samples", type=int, default=65_536, help="of mix in each piece")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="in each round")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    print("| layout | loop | steps per second | seconds of sound per second | ratio to the plain loop |")
    print("| --- | --- | --- | --- | --- |")
    for name, model in {"paper": PAPER, "base": BASE}.items():
        loops = make_loops(model, asked.batch, asked.samples)
        for step in loops.values():
            step()  # kernels are chosen and weights packed in the first
        taken: dict[str, list[float]] = {loop: [] for loop in loops}
        for _ in range(asked.rounds):
            for loop, step in loops.items():
                start = time.perf_counter()
                for _ in range(asked.steps):
                    step()
                taken[loop].append((time.perf_counter() - start) / asked.steps)
        plain = taken["plain, f32"]
        for loop, seconds in taken.items():
            rate = 1 / statistics.median(seconds)
            ratio = statistics.median(a / b for a, b in zip(plain, seconds, strict=True))
            heard = rate * asked.batch * asked.samples / model.sample_rate
            print(f"| {name} | {loop} | {rate:.2f} | {heard:.1f} | {ratio:.2f} |", flush=True)
    return 0


def make_loops(model: ModelSettings, n_batch: int, n_samples: int) -> dict[str, Loop]:
    """A step of every loop, each with weights of its own that begin alike."""
    settings = TrainSettings(
        l1=1.0, stft=0.0, sides=0.0, residual=0.0, gain_match=False, optimizer="adam", lr=1e-4, ema=0.0,
        batch_size=n_batch, segment_s=n_samples / model.sample_rate, linear_start=False,
    )  # fmt: skip
    torch.manual_seed(0)
    first = build_model(model)
    if not isinstance(first, MixWaveUNet):
        raise TypeError("the plain loop is of a Mix-Wave-U-Net")
    torch.nn.init.normal_(first.output.weight, std=0.01)
    shape = piece_shape(first, model, settings)
    inputs_BKT = 0.1 * torch.randn(n_batch, first.n_inputs, shape.n_in)
    target_BCT = 0.1 * torch.randn(n_batch, 2, shape.n_out)

    def copy() -> MixWaveUNet:
        network = build_model(model)
        network.load_state_dict(first.state_dict())
        return network  # type: ignore[return-value]

    with torch.no_grad():
        ours, plain = first(inputs_BKT), plain_network(first, inputs_BKT)
        if float((ours - plain).abs().max()) > SAME * float(ours.abs().max()):
            raise SystemExit("the plain network is another one")
    loops: dict[str, Loop] = {"plain, f32": plain_loop(copy(), model, inputs_BKT, target_BCT)}
    batches = Batches((), shape, model, settings)
    piece = Piece(song=0, start=0)
    for precision in ("f32", "bf16"):
        network = copy()
        stepper = Stepper(
            module=network,
            batches=batches,
            model=model,
            settings=settings,
            processes=Processes(),
            device=torch.device("cpu"),
            precision=precision,
        )
        state = State(
            network=network,
            mean=None,
            optimizer=make_optimizer(network, settings),
            progress=Progress(),
            best=None,
            songs="",
        )
        batch = Batch(
            step=1000,
            pieces=(piece,) * n_batch,
            indices=tuple(range(n_batch)),
            inputs_BKT=inputs_BKT,
            target_BCT=target_BCT,
        )
        loops[f"mixcli, {precision}"] = lambda stepper=stepper, state=state, batch=batch: stepper.take(
            state, batch
        )[0]
    return loops


def plain_loop(network: MixWaveUNet, model: ModelSettings, inputs_BKT: Tensor, target_BCT: Tensor) -> Loop:
    """A step as it is written first."""
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    crop = network.context
    here_BKT = inputs_BKT[..., crop : inputs_BKT.shape[-1] - crop]

    def step() -> float:
        optimizer.zero_grad()
        mix_BCT = plain_network(network, inputs_BKT)
        if model.outputs == "residual":
            residual_BKCT = mix_BCT.unflatten(1, (-1, 2))
            buses_BKCT = here_BKT[:, :-2].unflatten(1, (-1, 2))
            bounded_BKCT = bound_residual(residual_BKCT, buses_BKCT, model.sample_rate)
            mix_BCT = here_BKT[:, -2:] + bounded_BKCT.sum(dim=1)
        loss = (mix_BCT - target_BCT).abs().mean()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def plain_network(network: MixWaveUNet, inputs_BKT: Tensor) -> Tensor:
    """The network once more, `[B, F, T]` throughout."""

    def rectified(features: Tensor) -> Tensor:
        return functional.leaky_relu(features, network.negative_slope)

    def filtered(features: Tensor, taps_J: Tensor, stride: int = 1) -> Tensor:
        n_features = features.shape[1]
        taps = taps_J.expand(n_features, 1, taps_J.shape[-1])
        return functional.conv1d(features, taps, stride=stride, groups=n_features)

    def cropped(features: Tensor, like: Tensor) -> Tensor:
        start = (features.shape[-1] - like.shape[-1]) // 2
        return features[..., start : start + like.shape[-1]]

    skips, features = [], inputs_BKT
    for conv in network.down:
        features = rectified(conv(features))
        skips.append(features)
        if network.downsampling == "filtered":
            features = filtered(features, low_pass_taps(network.half_band_J), stride=2)
        else:
            features = features[..., ::2]
    features = rectified(network.bottleneck(features))
    for conv in network.up:
        n_taps = network.interpolation_taps
        before = n_taps // 2 - 1
        taps_J = network.half_band_J if network.upsampling == "filtered" else torch.tensor([0.5, 0.5])
        between = filtered(features, taps_J)
        frames = features[..., before : before + between.shape[-1] + 1]
        doubled = features.new_zeros(*features.shape[:2], 2 * between.shape[-1] + 1)
        doubled[..., ::2], doubled[..., 1::2] = frames, between
        features = rectified(conv(torch.cat([cropped(skips.pop(), doubled), doubled], dim=1)))
    output: Tensor = network.output(torch.cat([cropped(inputs_BKT, features), features], dim=1))
    return output


if __name__ == "__main__":
    sys.exit(main())
