"""Suites of arms, the loop that trains them side by side, and what is said of them at the end."""
