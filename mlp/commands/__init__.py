"""The commands, each defined once: of `mlp`, of MLproject and of `python -m scripts.NAME`."""
