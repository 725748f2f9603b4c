"""A checkpoint as automix-toolkit's training writes one, with random weights, and its network in plain calls.

Names, shapes and order of the layers are those of that project; nothing of mixcli takes part.
"""

import argparse

import torch
from torch.nn import functional

WIDTHS = tuple(24 * (level + 1) for level in range(12))


def random_state(n_inputs=8, widths=WIDTHS, kernel=13, output_kernel=5, seed=0, dtype=torch.float32):
    """Every tensor of the network under its name there, random, batch norm's running statistics too."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=1.0):
        return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)

    def conv(name, n_out, n_in, n_taps):
        fan = (2 / (n_in * n_taps)) ** 0.5
        return {f"{name}.weight": normal(n_out, n_in, n_taps, scale=fan), f"{name}.bias": normal(n_out) / 10}

    def norm_and_slope(name, width):
        return {
            f"{name}.bn.weight": 1 + normal(width) / 5,
            f"{name}.bn.bias": normal(width) / 5,
            f"{name}.bn.running_mean": normal(width) / 5,
            f"{name}.bn.running_var": 0.5 + normal(width).abs(),
            f"{name}.bn.num_batches_tracked": torch.tensor(250),
            f"{name}.prelu.weight": 0.25 + normal(width) / 10,
        }

    state = {}
    for level, (n_in, width) in enumerate(zip([n_inputs, *widths], widths, strict=False)):
        name = f"encoder.{level}"
        state |= conv(f"{name}.conv1", width, n_in, kernel) | norm_and_slope(name, width)
        state |= conv(f"{name}.conv2", width, width, kernel)
    state |= conv("embedding", widths[-1], widths[-1], 1)
    for index, width in enumerate(reversed(widths)):
        name, n_out = f"decoder.{index}", max(width - widths[0], widths[0])
        state |= conv(f"{name}.conv", n_out, 2 * width, kernel) | norm_and_slope(name, n_out)
    return state | conv("output_conv", 2, widths[0] + n_inputs, output_kernel)


def plain_forward(state, inputs_BKT):
    """The forward pass of that network in evaluation, call by call."""

    def conv(name, features, stride=1):
        weight = state[f"{name}.weight"]
        return functional.conv1d(
            features, weight, state[f"{name}.bias"], stride=stride, padding=weight.shape[2] // 2
        )

    def norm_and_slope(name, features):
        statistics = [
            state[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        ]
        return functional.prelu(functional.batch_norm(features, *statistics), state[f"{name}.prelu.weight"])

    depth = sum(name.endswith("conv2.bias") for name in state)
    features, skips = inputs_BKT, []
    for level in range(depth):
        skips.append(norm_and_slope(f"encoder.{level}", conv(f"encoder.{level}.conv1", features)))
        features = conv(f"encoder.{level}.conv2", skips[-1], stride=2)
    features = conv("embedding", features)
    for index in range(depth):
        features = functional.interpolate(features, scale_factor=2, mode="nearest")
        features = conv(f"decoder.{index}.conv", torch.cat([features, skips.pop()], dim=1))
        features = norm_and_slope(f"decoder.{index}", features)
    return conv("output_conv", torch.cat([inputs_BKT, features], dim=1))


def write_checkpoint(path, state, *, settings=argparse.Namespace, **more):
    """Write what Lightning writes: the state under `model.`, settings, optimiser, callbacks and the rest."""
    values = {
        "dataset_dirs": ["ENST"], "sample_rate": 44_100, "max_num_tracks": 8, "lr": 3e-4,
        "automix_model": "mixwaveunet", "recon_losses": ["l1"], "gpus": None,
    }  # fmt: skip
    values |= more.pop("hyper_parameters", {})
    monitor = "ModelCheckpoint{'monitor': 'val/loss_epoch', 'mode': 'min'}"
    content = {
        "epoch": 249,
        "global_step": 15_750,
        "pytorch-lightning_version": "1.8.3",
        "state_dict": {f"model.{name}": tensor for name, tensor in state.items()},
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"current": {"ready": 250}}}},
        "callbacks": {monitor: {"best_model_score": torch.tensor(0.03), "best_model_path": "best.ckpt"}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(9.0)}}, "param_groups": [{"lr": 3e-4}]}],
        "lr_schedulers": [],
        "hparams_name": "kwargs",
        "hyper_parameters": settings(**values),
    }
    torch.save(content | more, path)
    return path
