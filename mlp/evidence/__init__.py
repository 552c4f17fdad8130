"""Differences between arms, and how sure they are."""
