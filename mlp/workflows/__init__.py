"""The work that a command and a notebook both ask for."""
