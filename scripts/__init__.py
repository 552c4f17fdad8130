"""The commands of MLproject, from a checkout: each module calls one of `mlp.commands`."""
