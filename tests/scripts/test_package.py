"""The package: built and installed in an environment of its own, without a network, and used there.

The environment finds the libraries where this one has them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from sklearn.datasets import load_digits

from mlp import __version__
from mlp.study.identity import source_digest
from tests.conftest import write_image
from tests.scripts.documents import check
from tests.scripts.processes import ROOT
from tests.test_layout import pins

SOURCE = ("mlp", "pyproject.toml", "setup.py", "MANIFEST.in", "requirements.txt", "LICENSE")
PIP = [sys.executable, "-m", "pip"]
OFFLINE = ["--no-deps", "--no-index", "--no-build-isolation", "--quiet"]
SUITE = "arms: [{name: plain}, {name: wide, changes: {hidden: [64]}}]"
QUICK = ["--epochs", "1", "--threads", "1"]


def done(words: list[str], folder: Path, code: int = 0) -> str:
    """The output of a process that knows nothing of this checkout."""
    unknown = ("PYTHONPATH", "MLFLOW_TRACKING_URI")
    environment = {name: text for name, text in os.environ.items() if name not in unknown}
    made = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == code, made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source, with a file that an earlier build has left."""
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCE:
        place = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        place(ROOT / name, folder / name)
    left = folder / "build" / "lib" / "mlp" / "deleted.py"
    left.parent.mkdir(parents=True)
    left.touch()
    return folder


def built(source: Path, folder: Path) -> Path:
    """The wheel of a folder or an archive."""
    done([*PIP, "wheel", *OFFLINE, "--wheel-dir", str(folder), str(source)], source.parent)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def wheel(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(copy, tmp_path_factory.mktemp("wheel"))


def environment(folder: Path, *installed: str) -> Path:
    """The folder of the programs of a new environment."""
    venv.create(folder, symlinks=os.name != "nt")
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    (Path(site) / "outer.pth").write_text(sysconfig.get_path("purelib"))
    scripts = folder / Path(sysconfig.get_path("scripts")).name
    done([*PIP, "--python", str(scripts / "python"), "install", *OFFLINE, *installed], folder)
    return scripts


def contents(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_no_other(
    copy: Path, wheel: Path, tmp_path: Path
) -> None:
    inside = [p for p in (ROOT / "mlp").rglob("*") if p.is_file() and p.suffix != ".pyc"]
    assert contents(wheel) == {path.relative_to(ROOT).as_posix() for path in inside}
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    done([sys.executable, "-c", build], copy)
    (archive,) = tmp_path.glob("*.tar.gz")
    assert contents(built(archive, tmp_path)) == contents(wheel)


@pytest.mark.slow
def test_the_wheel_needs_what_is_pinned_up_to_what_may_break(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    assert f"Version: {__version__}" in lines
    needs = [
        Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist")
    ]
    ranges = {need.name.lower(): need.specifier for need in needs}
    pinned = pins("requirements.txt")
    assert ranges.keys() == pinned.keys()
    for name, text in pinned.items():
        major, minor = Version(text).release[:2]
        later, breaks = (
            (f"{major}.{minor + 1}", f"{major + 1}.0")
            if major
            else (f"0.{minor}.999", f"0.{minor + 1}")
        )
        taken = {each: each in ranges[name] for each in (text, later, breaks)}
        assert taken == {text: True, later: True, breaks: False}, name


@pytest.mark.slow
def test_the_program_works_in_any_folder(wheel: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path / "environment", str(wheel))
    mlp, folder = str(programs / "mlp"), tmp_path / "elsewhere"
    folder.mkdir()

    def took(word: str) -> float:
        """Seconds of a processor, which others that are busy do not make longer."""
        before = os.times()
        assert "mlp" in done([mlp, word], folder)
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    for word in ("--help", "--version"):
        assert min(took(word) for _ in range(3)) < 0.5, word
    asked = "import mlp.study.identity as i; print(i.source_digest())"
    assert done([str(programs / "python"), "-c", asked], folder).strip() == source_digest()

    trained = done([mlp, "train", *QUICK], folder)
    assert "digits: one arm, 1 seed, 359 validation images" in trained
    (folder / "two.yaml").write_text(SUITE)
    # In processes of their own
    words = ["--suite", "two.yaml", "--seeds", "3", "--executor", "processes", "--workers", "2"]
    study = json.loads(done([mlp, "compare", *words, *QUICK, "--format", "json"], folder))
    check(study)
    assert study["baseline"] == "plain" and [arm["pairs"] for arm in study["arms"]] == [3]
    assert json.loads(done([mlp, "report", "--format", "json"], folder)) == study
    registered = done([mlp, "register"], folder)
    assert "Predict:     mlp predict --model 'models:/digits@champion' IMAGES" in registered
    images, labels = load_digits(return_X_y=True)
    pixels = (images[0].reshape(8, 8) * 255 / 16).astype("uint8")
    write_image(folder / "new" / "0.png", pixels)
    (answer,) = json.loads(done([mlp, "predict", "new", "--format", "json"], folder))
    assert answer["label"] == str(labels[0])
    assert "there is no command 'trian'" in _refused([mlp, "trian"], folder)


def _refused(words: list[str], folder: Path) -> str:
    made = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 2
    return made.stderr


@pytest.mark.slow
def test_an_editable_installation_follows_the_source(copy: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path / "environment", "--editable", str(copy))
    (copy / "mlp" / "__init__.py").write_text('__version__ = "9.8.7"')
    assert "9.8.7" in done([str(programs / "mlp"), "--version"], tmp_path)
    asked = [str(programs / "python"), "-c", "import scripts"]
    done(asked, tmp_path, code=1)  # a room of the checkout, and not of the package
