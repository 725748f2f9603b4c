"""Which sources are microphones of one drum kit."""

from collections.abc import Sequence

from mixcli.console.sources import Source

CLOSE_ROLES = frozenset({"drums.kick", "drums.snare", "drums.tom", "drums.hihat", "drums.cymbal"})
KIT_MICROPHONES = frozenset({"drums.overhead", "drums.room"})


def miked_kit(sources: Sequence[Source]) -> list[Source]:
    """The sources of a kit that was recorded with several microphones, else none.

    An overhead or a room and at least one close microphone: all of them hear the same drums. Samples of a
    machine, which have neither, are instruments of their own.
    """
    kit = [source for source in sources if source.role in CLOSE_ROLES | KIT_MICROPHONES]
    roles = {source.role for source in kit}
    return kit if roles & KIT_MICROPHONES and roles & CLOSE_ROLES else []
