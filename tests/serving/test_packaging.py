"""The files of a packaged model: few, and all that a program elsewhere needs to load it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mlp.imports import ROOT, needed
from mlp.tracking.mlflow.store import Store
from tests.serving.conftest import Trained
from tests.serving.test_registry import logged_model, register


@pytest.fixture
def folder(trained: Trained, store: Store) -> Path:
    made = register(store, trained.strong)
    return Path(logged_model(store, made.version).artifact_location)


def test_a_model_has_few_files_also_with_several_networks(
    folder: Path, trained: Trained, store: Store
) -> None:
    made = register(store, trained.strong, "ensemble")
    several = Path(logged_model(store, made.version).artifact_location)
    for place, count in ((folder, 14), (several, 18)):
        assert len([path for path in place.rglob("*") if path.is_file()]) == count


def test_a_model_has_the_source_that_answering_needs_and_no_other(folder: Path) -> None:
    with zipfile.ZipFile(folder / "code" / "mlp.zip") as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
        assert len({info.date_time for info in archive.infolist()}) == 1
    sources = needed(["mlp.serving.entry"]).values()
    assert found == {p.relative_to(ROOT.parent).as_posix(): p.read_bytes() for p in sources}
    assert [path.name for path in folder.rglob("*.py")] == ["entry.py"]


def test_a_program_that_has_the_project_finds_it_when_it_has_loaded_a_model(folder: Path) -> None:
    program = (
        "import importlib.util, sys, mlflow.pyfunc; mlflow.pyfunc.load_model(sys.argv[1]); "
        "import mlp; print(mlp.__file__); del sys.modules['mlp']; "
        "print(importlib.util.find_spec('mlp').origin)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    packaged, present = done.stdout.split()
    assert packaged.startswith(str(folder)) and present == str(ROOT / "__init__.py")


ELSEWHERE = """
import importlib.util, json, os, sys
import cv2, fastapi, mlflow.pyfunc, PIL.Image  # two of them set variables of their own
assert importlib.util.find_spec("mlp") is None
before = fastapi.FastAPI, PIL.Image.MAX_IMAGE_PIXELS, dict(os.environ)
first, second = map(mlflow.pyfunc.load_model, sys.argv[1:])
[answer] = first.predict(first.input_example).to_dict("records")
assert second.predict(second.input_example).to_dict("records") == [answer]
assert (fastapi.FastAPI, PIL.Image.MAX_IMAGE_PIXELS, dict(os.environ)) == before
import mlp
assert mlp.__file__.startswith(sys.argv[1])
assert not {"scipy.special", "sklearn", "sympy", "matplotlib"} & set(sys.modules)
# A server of MLflow, of which uvicorn looks up the application so
from uvicorn.importer import import_from_string
os.environ["__pyfunc_model_path__"] = sys.argv[1]
served = import_from_string("mlflow.pyfunc.scoring_server.app:app")
assert served is import_from_string("mlflow.pyfunc.scoring_server.app:app")
assert fastapi.FastAPI is before[0]
print(json.dumps([answer["label"], type(served).__name__]))
"""


def test_plain_mlflow_loads_it_where_this_project_is_not(folder: Path, tmp_path: Path) -> None:
    """Twice in one program, which finds nothing changed; a server's application is guarded."""
    copies = [tmp_path / "one", tmp_path / "two"]
    for copy in copies:
        shutil.copytree(folder, copy)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, copies)],
        cwd=elsewhere,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    label, application = json.loads(done.stdout)
    assert label in ("blue", "green", "red") and application == "Guard"
