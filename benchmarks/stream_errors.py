"""How near a streamed mix is to one pass over the whole song, for every layout and each of its options.

    python benchmarks/stream_errors.py [--seconds 5] [--window-seconds 25] [MODEL...]

Of the models named, or of random weights in every layout. Noise at -20 dBFS, 32-bit floats; the largest
difference is in units of full scale, or of the loudest sample where that is above it, and beside it is the
energy of the difference against that of the mix. The layout with a recurrent layer is tried with forget
biases too, which make it remember as trained ones may.
"""

import argparse

import torch

from mixcli.engine.stream import open_stream
from mixcli.models.checkpoint import build_model, load_model
from mixcli.models.network import Network, render_whole
from mixcli.models.settings import BASE, DEMUCS, PAPER, TOOLKIT, ModelSettings

OPTIONS = (
    {"depth": 12},
    {"channel_growth": 16},
    {"down_kernel": 5},
    {"up_kernel": 15},
    {"bottleneck_kernel": 5},
    {"output_kernel": 5},
    {"downsampling": "strided"},
    {"downsampling": "filtered"},
    {"upsampling": "learned"},
    {"upsampling": "nearest"},
    {"upsampling": "filtered"},
    {"padding": "same"},
    {"bias": False},
    {"negative_slope": 0.01},
    {"output_activation": "tanh"},
    {"head": "gains"},
)
BLOCK = 65_536  # samples pushed at once


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="of the song for layouts that stream exactly"
    )
    parser.add_argument("--window-seconds", type=float, default=25.0, help="of the song for windows")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or files of trained models")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("| layout | parameters | largest difference | energy of the difference, dB |")
    print("| --- | --- | --- | --- |")
    for name in asked.models:
        model = load_model(name)
        compare(model.name, model.module, asked.window_seconds * model.settings.sample_rate)
    if asked.models:
        return
    for name, settings in {"paper": PAPER, "base": BASE, "toolkit": TOOLKIT}.items():
        report(name, settings, asked.seconds)
    for option in OPTIONS:
        words = ", ".join(f"{key} {value}" for key, value in option.items())
        network = PAPER.network.model_copy(update=option)
        report(f"paper, {words}", PAPER.model_copy(update={"network": network}), asked.seconds)
    for forget in (0.0, 2.0, 4.0):
        report(f"demucs, forget bias {forget:g}", DEMUCS, asked.window_seconds, forget=forget)


def report(name: str, settings: ModelSettings, seconds: float, *, forget: float = 0.0) -> None:
    torch.manual_seed(0)
    network = build_model(settings).eval().requires_grad_(False)
    fill_output(network)
    remember(network, forget)
    compare(name, network, seconds * settings.sample_rate)


def compare(name: str, network: Network, n_samples: float) -> None:
    inputs_KT = 0.1 * torch.randn(network.n_inputs, round(n_samples))
    whole_CT = render_whole(network, inputs_KT)
    stream = open_stream(network)
    parts = [stream.push(inputs_KT[:, at : at + BLOCK]) for at in range(0, inputs_KT.shape[1], BLOCK)]
    mix_CT = torch.cat([*parts, stream.push(inputs_KT[:, :0], last=True)], dim=1)
    largest = (mix_CT - whole_CT).abs().max() / max(1.0, float(whole_CT.abs().max()))
    energy = (mix_CT - whole_CT).double().square().mean() / whole_CT.double().square().mean()
    size = sum(parameter.numel() for parameter in network.parameters())
    print(f"| {name} | {size:,} | {largest:.1e} | {10 * torch.log10(energy):.0f} |", flush=True)


def fill_output(network: Network) -> None:
    """Residuals and faders start at zero, which would compare nothing."""
    for layer in (getattr(network, "output", None), getattr(network, "faders", None)):
        if layer is not None and not layer.weight.any():
            torch.nn.init.kaiming_normal_(layer.weight)


def remember(network: Network, forget: float) -> None:
    """Raise the biases of an LSTM's forget gates: it keeps 0.88 (for 2), 0.98 (for 4) each frame."""
    lstm = getattr(network, "lstm", None)
    for name, parameter in lstm.named_parameters() if lstm is not None else ():
        if name.startswith("bias_ih"):
            parameter[len(parameter) // 4 : len(parameter) // 2] += forget


if __name__ == "__main__":
    main()
