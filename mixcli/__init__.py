"""mixcli: turns folders of stems into finished stereo mixes."""

__version__ = "0.1.0"
