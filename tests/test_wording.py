"""Truth: the texts as they should be."""

import os
from pathlib import Path

from mixcli.audio.wording import clock_time, clock_times, display_name


def test_names_are_shown_in_one_line_of_printable_text():
    assert display_name(Path("songs/Löwe 1.wav")) == "Löwe 1.wav"
    assert display_name(Path('a"b.wav')) == 'a\\"b.wav'
    assert display_name(Path("a\nb\x1b[31m.wav")) == "a\\nb\\x1b[31m.wav"
    assert display_name(Path(os.fsdecode(b"K\xefck.wav"))) == "K\\xefck.wav"
    assert display_name(Path("ab\u202egpj.wav")) == "ab\\u202egpj.wav"


def test_times_are_cut_and_not_rounded():
    assert (clock_time(252.99), clock_time(41.28, decimals=1), clock_time(3725)) == (
        "4:12",
        "0:41.2",
        "1:02:05",
    )
    assert clock_times(60.0, 60.0004) == ("1:00.000000", "1:00.000400")
    assert clock_times(252, 125) == ("4:12", "2:05")
