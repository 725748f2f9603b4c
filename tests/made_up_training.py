"""Small songs in memory, small networks, and a run of training over them."""

import numpy as np

from mixcli.models.settings import BASE, BUS_INPUTS, MixWaveUNetSettings, ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.loop import train
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.request import Ended, Stepped, TrainRequest, Validated

RATE = 8_000
DRUMS = ("drums.kick", "drums.snare", "drums.overhead:L", "drums.overhead:R")
SMALL = ModelSettings(inputs=DRUMS, sample_rate=RATE, network=MixWaveUNetSettings(depth=2, channel_growth=4))
SMALL_BASE = ModelSettings(
    inputs=BUS_INPUTS,
    outputs="residual",
    sample_rate=RATE,
    network=BASE.network.model_copy(update={"depth": 2, "channel_growth": 4}),
)
QUICK = TrainSettings(
    model="paper",
    l1=1,
    stft=0,
    lr=1e-3,
    batch_size=2,
    segment_s=0.1,
    steps_per_epoch=4,
    steps=8,
    validation_s=None,
    linear_start=False,
    seed=3,
)
MATRIX_CK = np.array([[0.5, 0.3, 0.8, 0.0], [0.5, 0.4, 0.0, 0.9]])


def drum_song(name, part="train", seconds=1.0, seed=0, matrix_CK=MATRIX_CK):
    """Four inputs of noise that decays, and a target that is a fixed matrix of them."""
    generator = np.random.default_rng(seed)
    time_T = np.arange(round(seconds * RATE)) / RATE
    noise_KT = generator.standard_normal((matrix_CK.shape[1], time_T.size))
    inputs_KT = (0.2 * noise_KT * np.exp(-8 * (time_T % 0.25))).astype(np.float32)
    target_CT = (matrix_CK @ inputs_KT).astype(np.float32)
    return PreparedSong(
        name=name, group=name, part=part, sample_rate=RATE, inputs_KT=inputs_KT, target_CT=target_CT
    )


def bus_song(name, part="train", seconds=1.0, seed=0, gains=(1.3, 0.8, 1, 1, 1, 1, 1, 1), level=0.5):
    """Eight stereo buses and their sum; the target has other gains of the buses, and another level."""
    generator = np.random.default_rng(seed)
    buses_KCT = 0.1 * generator.standard_normal((8, 2, round(seconds * RATE)))
    mix_CT = buses_KCT.sum(axis=0)
    inputs_KT = np.concatenate([buses_KCT.reshape(16, -1), mix_CT]).astype(np.float32)
    target_CT = level * (np.asarray(gains)[:, None, None] * buses_KCT).sum(axis=0)
    return PreparedSong(
        name=name,
        group=name,
        part=part,
        sample_rate=RATE,
        inputs_KT=inputs_KT,
        target_CT=target_CT.astype(np.float32),
    )


def request_for(folder, model=SMALL, settings=QUICK, **more):
    return TrainRequest(out=folder, model=model, settings=settings, device="cpu", workers=0, **more)


def run_training(request, songs, **more):
    """The events of a whole run, by kind."""
    events = list(train(request, songs, **more))
    return {
        "began": events[0],
        "steps": [event for event in events if isinstance(event, Stepped)],
        "validations": [event for event in events if isinstance(event, Validated)],
        "ended": next((event for event in events if isinstance(event, Ended)), None),
    }
