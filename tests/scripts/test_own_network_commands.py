"""A network of a user's own through the commands: trained, registered, used without its file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlp.commands.command import SettingsCommand
from mlp.errors import TamperedModel
from mlp.serving.loading import load_packaged
from mlp.tracking.mlflow.store import open_store
from scripts.predict import predict
from scripts.register import register
from scripts.study import study
from scripts.train import train
from tests.scripts.processes import ROOT, runs

CNN = ROOT / "docs" / "networks" / "cnn.py"
QUICK = ["--image-size", "8", "--epochs", "1", "--threads", "1"]
SUITE = """
question: Which?
base: {network: "mine.py:CNN", network.dropout: 0.1}
arms:
  - {name: plain}
  - {name: more, changes: {network.dropout: 0.5}}
  - {name: mlp, changes: {network: mlp, hidden: 8}}
"""


def call(command: SettingsCommand, *arguments: str, code: int = 0) -> str:
    made = CliRunner().invoke(command, list(arguments))
    assert made.exit_code == code, made.output
    return made.output


def test_a_suite_varies_its_settings_and_its_model_needs_no_file(
    image_tree: Path, fresh_database: None, tmp_path: Path
) -> None:
    shutil.copy(CNN, "mine.py")
    Path("own.yaml").write_text(SUITE)
    options = ["--suite", "own.yaml", "--data", str(image_tree), *QUICK, "--seeds", "2"]
    first = call(study, *options)
    assert "6 of 6 runs are recorded already" in call(study, *options)
    recorded = {run.info.run_name: run.data.params for run in runs(Path(), "run")}
    assert recorded["more-seed0"]["network.dropout"] == "0.5"
    assert recorded["more-seed0"]["network_settings"] == "dropout=0.5"
    assert "network.dropout" not in recorded["mlp-seed0"]
    assert re.search(r"^more +2 +\d", first, re.M)
    # An edited file is another network
    Path("mine.py").write_text(CNN.read_text(encoding="utf-8").replace("16, 32, 64", "8, 8, 8"))
    edited = call(study, *options)
    assert "2 of 6 runs are recorded already" in edited  # of the mlp

    call(train, "--network", f"{CNN}:CNN", "--data", str(image_tree), *QUICK)
    call(register, "--name", "own")
    Path("mine.py").unlink()
    images = [str(path) for path in sorted((image_tree / "val").rglob("*"))[-2:]]
    here = call(predict, "--model", "models:/own@champion", "--format", "csv", *images)
    model = load_packaged(open_store(""), "models:/own@champion")
    assert type(model.ensemble.members[0].network).__name__ == "OwnNetwork"

    # Its file is sealed, and is not run where it was changed
    (file,) = [path for path in Path("mlruns").rglob("network.py") if model.run_id in path_of(path)]
    before = file.read_bytes()
    file.write_bytes(before + b"\nimport pathlib; pathlib.Path('ran').touch()\n")
    with pytest.raises(TamperedModel, match=r"network\.py is not the file that was packaged"):
        load_packaged(open_store(""), "models:/own@champion")
    assert not Path("ran").exists()
    file.write_bytes(before)
    assert call(predict, "--model", "models:/own@champion", "--format", "csv", *images) == here


def path_of(file: Path) -> str:
    """The description of the model that a file is in."""
    return (file.parents[3] / "MLmodel").read_text(encoding="utf-8")


@pytest.mark.slow
def test_its_model_answers_the_same_in_a_program_elsewhere(
    image_tree: Path, fresh_database: None, tmp_path: Path
) -> None:
    Path("mine.py").write_text("import scipy\n" + CNN.read_text(encoding="utf-8"), encoding="utf-8")
    options = ["--data", str(image_tree), *QUICK, "--executor", "processes", "--workers", "2"]
    call(train, "--network", "mine.py:CNN", *options)
    call(register, "--name", "own")
    image = str(next((image_tree / "val").rglob("*.png")))
    here = call(predict, "--model", "models:/own@champion", "--format", "json", image)
    (file,) = Path("mlruns").rglob("network.py")
    assert re.search(r"^scipy==", (file.parents[3] / "requirements.txt").read_text(), re.M)
    program = (
        "import base64, json, sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "image = base64.b64encode(open(sys.argv[2], 'rb').read()).decode()\n"
        "print(json.dumps(model.predict(pd.DataFrame({'image': [image]})).probabilities[0]))\n"
    )
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, str(file.parents[3].resolve()), image],
        cwd=tmp_path / "elsewhere",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()[1:-1] in re.sub(r"\s+", " ", here)


def test_what_is_wrong_with_it_is_said_in_one_line_before_anything_is_recorded(
    image_tree: Path, fresh_database: None
) -> None:
    Path("mine.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self, n): pass\n"
    )
    options = ["--data", str(image_tree), *QUICK, "--network"]
    said = call(train, *options, "mine.py:Net", code=2)
    assert "Error: network mine.py:Net: its constructor should take shape (C, H, W)" in said
    assert "FILE.py:CLASS; 'mine.py' was given" in call(train, *options, "mine.py", code=2)
    assert "Traceback" not in said
