"""Batches: what is drawn, what is read, and how it is varied."""

import numpy as np
import pytest
import torch
from made_up_training import DRUMS, QUICK, RATE, SMALL, bus_song, drum_song

from mixcli.engine.stream import NetworkStream
from mixcli.models.checkpoint import build_model
from mixcli.models.network import render_whole
from mixcli.models.settings import BUS_INPUTS, MixWaveUNetSettings, ModelSettings
from mixcli.training.batches import Batches
from mixcli.training.loop import piece_shape
from mixcli.training.pieces import InputGroups, Piece, PieceShape, draw_pieces, read_piece, read_span
from mixcli.training.validation import piece_starts, step_between

GROUPS = InputGroups(DRUMS)
SHAPE = PieceShape(n_in=300, n_out=201, context=49, grid=4)
PLAIN = {"swapped": False, "upside_down": False, "gains": None, "dropped": None}


def test_the_same_seed_and_step_give_the_same_pieces_and_others_give_others():
    varied = QUICK.model_copy(update={"swap": 0.5, "gain_jitter_db": 3, "drop_input": 0.2, "batch_size": 8})
    drawn = draw_pieces([5000, 9000], SHAPE, GROUPS, varied, 7)
    assert drawn == draw_pieces([5000, 9000], SHAPE, GROUPS, varied, 7)
    assert drawn != draw_pieces([5000, 9000], SHAPE, GROUPS, varied, 8)
    assert drawn != draw_pieces([5000, 9000], SHAPE, GROUPS, varied.model_copy(update={"seed": 4}), 7)


def test_pieces_lie_on_the_grid_inside_the_songs_and_any_second_is_as_likely_as_another():
    settings = QUICK.model_copy(update={"batch_size": 4096})
    lengths = [4_000, 12_000, 100]
    pieces = draw_pieces(lengths, SHAPE, GROUPS, settings, 0)
    starts = np.array([piece.start for piece in pieces])
    songs = np.array([piece.song for piece in pieces])
    assert (starts % SHAPE.grid == 0).all()
    assert (starts[songs == 2] == 0).all()
    for song, length in enumerate(lengths):
        assert (starts[songs == song] <= max(0, length - SHAPE.n_out)).all()
        # a share of a binomial draw, within four of its deviations
        share = length / sum(lengths)
        assert abs((songs == song).mean() - share) < 4 * np.sqrt(share * (1 - share) / len(pieces))
    assert np.histogram(starts[songs == 1], 4)[0].min() > 0.2 * (songs == 1).sum()


@pytest.mark.parametrize("start", [0, 4, 4000, 7796, 8800])
def test_a_piece_has_the_song_s_own_samples_around_it_and_silence_beyond_its_ends(start):
    song = drum_song("A")
    inputs_KT, target_CT = read_piece(song, Piece(song=0, start=start, **PLAIN), SHAPE, GROUPS)
    assert (inputs_KT.shape, target_CT.shape) == ((4, SHAPE.n_in), (2, SHAPE.n_out))
    for signal_KT, whole_KT, first in (
        (inputs_KT, song.inputs_KT, start - SHAPE.context),
        (target_CT, song.target_CT, start),
    ):
        for index in range(0, signal_KT.shape[1], 7):
            place = first + index
            inside = 0 <= place < song.n_samples
            expected_K = whole_KT[:, place] if inside else np.zeros(len(whole_KT))
            assert np.array_equal(signal_KT[:, index], expected_K)


def test_the_network_gives_on_a_piece_what_it_gives_on_the_whole_song():
    """So training hears what mixing will: against one pass over the song, and against the stream."""
    torch.manual_seed(0)
    network = build_model(SMALL).eval()
    song = drum_song("A")
    shape = piece_shape(network, SMALL, QUICK)
    inputs_KT = torch.from_numpy(song.inputs_KT)
    whole_CT = render_whole(network, inputs_KT)
    streamed_CT = NetworkStream(network, block=640).push(inputs_KT, last=True)
    for start in (0, 400, 7600):
        piece_KT, _ = read_piece(song, Piece(song=0, start=start, **PLAIN), shape, GROUPS)
        with torch.inference_mode():
            output_CT = network(torch.from_numpy(piece_KT)[None])[0]
        n_kept = min(shape.n_out, RATE - start) - network.grid
        for reference_CT in (whole_CT, streamed_CT):
            difference_CT = output_CT[:, :n_kept] - reference_CT[:, start : start + n_kept]
            assert difference_CT.abs().max() < 1e-5


def test_sides_are_swapped_in_inputs_and_target_together():
    song = drum_song("A")
    plain_KT, plain_CT = read_piece(song, Piece(song=0, start=8), SHAPE, GROUPS)
    swapped_KT, swapped_CT = read_piece(song, Piece(song=0, start=8, swapped=True), SHAPE, GROUPS)
    assert np.array_equal(swapped_KT, plain_KT[[0, 1, 3, 2]])  # kick, snare, right, left
    assert np.array_equal(swapped_CT, plain_CT[[1, 0]])
    upside_KT, upside_CT = read_piece(song, Piece(song=0, start=8, upside_down=True), SHAPE, GROUPS)
    assert np.array_equal(upside_KT, -plain_KT)
    assert np.array_equal(upside_CT, -plain_CT)


def test_gains_are_the_same_on_both_sides_of_a_pair_and_leave_the_target_alone():
    song = drum_song("A")
    plain_KT, plain_CT = read_piece(song, Piece(song=0, start=400), SHAPE, GROUPS)
    gains = tuple(1.0 + group for group in range(GROUPS.n_groups))
    turned_KT, turned_CT = read_piece(song, Piece(song=0, start=400, gains=gains), SHAPE, GROUPS)
    ratio_K = (turned_KT / plain_KT).mean(axis=1)
    assert ratio_K == pytest.approx([gains[group] for group in GROUPS.group_of], rel=1e-6)
    assert ratio_K[2] == ratio_K[3]
    assert GROUPS.n_groups == 3
    assert np.array_equal(turned_CT, plain_CT)


def test_the_console_s_mix_follows_the_gains_of_the_buses_and_is_never_left_out():
    groups = InputGroups(BUS_INPUTS)
    song = bus_song("A")
    assert groups.n_groups == 9
    gains = tuple(np.where(np.arange(9) == groups.mix, 1.0, np.linspace(0.5, 2, 9)))
    turned_KT, _ = read_piece(song, Piece(song=0, start=0, gains=gains), SHAPE, groups)
    assert turned_KT[16] == pytest.approx(turned_KT[0:16:2].sum(axis=0), abs=1e-6)
    assert turned_KT[17] == pytest.approx(turned_KT[1:16:2].sum(axis=0), abs=1e-6)
    settings = QUICK.model_copy(update={"drop_input": 0.9, "batch_size": 64})
    pieces = draw_pieces([RATE], SHAPE, groups, settings, 0)
    assert not any(piece.dropped[groups.mix] for piece in pieces)
    dropped_KT, _ = read_piece(song, pieces[0], SHAPE, groups)
    silent_K = ~dropped_KT.any(axis=1)
    assert list(silent_K) == [pieces[0].dropped[group] for group in groups.group_of]


def test_every_process_reads_its_own_part_of_the_batch_and_together_all_of_it():
    songs = [drum_song("A"), drum_song("B", seed=1)]
    settings = QUICK.model_copy(update={"batch_size": 6})
    whole = Batches(songs, SHAPE, SMALL, settings).read(5)
    assert whole.indices == tuple(range(6))
    for rank in range(3):
        part = Batches(songs, SHAPE, SMALL, settings, rank=rank, world_size=3).read(5)
        assert part.indices == (rank, rank + 3)
        assert torch.equal(part.inputs_BKT, whole.inputs_BKT[list(part.indices)])
        assert torch.equal(part.target_BCT, whole.target_BCT[list(part.indices)])


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_batches_read_ahead_come_in_order_and_are_the_same(workers):
    batches = Batches([drum_song("A")], SHAPE, SMALL, QUICK)
    ahead = list(batches.ahead(3, 9, workers=workers))
    assert [batch.step for batch in ahead] == [3, 4, 5, 6, 7, 8]
    assert all(torch.equal(batch.inputs_BKT, batches.read(batch.step).inputs_BKT) for batch in ahead)


@pytest.mark.parametrize("n_samples", [1, 199, 200, 5000])
def test_validation_pieces_cover_a_song_once_or_as_much_of_it_as_is_wanted(n_samples):
    step = step_between(SHAPE)
    assert (step, step % SHAPE.grid) == (200, 0)
    starts = piece_starts(n_samples, SHAPE, None)
    assert starts == list(range(0, n_samples, step))
    few = piece_starts(n_samples, SHAPE, 1000)
    assert len(few) == min(len(starts), 5)
    assert set(few) <= set(starts)


def test_the_paper_s_pieces_have_the_paper_s_lengths():
    """121,843 samples in and 89,093 out, as its own padding formula gives."""
    settings = QUICK.model_copy(update={"segment_s": 2.0})
    model = ModelSettings(inputs=DRUMS, network=MixWaveUNetSettings())
    shape = piece_shape(build_model(model), model, settings)
    assert (shape.n_in, shape.n_out, shape.context) == (121_843, 89_093, 16_375)


def test_a_span_outside_of_a_signal_is_silence():
    signal_KT = np.ones((2, 10), np.float32)
    assert not read_span(signal_KT, 10, 5).any()
    assert not read_span(signal_KT, -5, 5).any()
    assert read_span(signal_KT, -2, 14).sum() == 20
