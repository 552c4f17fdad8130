"""The speed claims of the README, runnable."""
