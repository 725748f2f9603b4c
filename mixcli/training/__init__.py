"""Training: from a folder of songs, or a generator of them, to a model that mixes."""
