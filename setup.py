"""Build the wheel: what it needs are the versions of requirements.txt, up to the next major one."""

import re
import tempfile
from pathlib import Path

from setuptools import setup


def as_range(name: str, version: str) -> str:
    """A pinned version, or a later one that breaks nothing: below 1.0, a minor version may."""
    major, minor = map(int, version.split(".")[:2])
    return f"{name}>={version},<{major + 1 if major else f'0.{minor + 1}'}"


pins = re.findall(r"^([\w.-]+)==(\S+)$", Path("requirements.txt").read_text(encoding="utf-8"), re.M)
# Built elsewhere: what an earlier build left in build/ would come along, deleted files included
with tempfile.TemporaryDirectory() as folder:
    setup(
        install_requires=[as_range(*pin) for pin in pins],
        options={"build": {"build_base": folder}},
    )
