"""The commands: each module is one entry point of MLproject."""
