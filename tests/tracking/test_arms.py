"""The curves of a study's arms in TensorBoard, read back from its events and its data plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from torch.utils.tensorboard import SummaryWriter

from mlp.study.record import HISTORIES
from mlp.tracking.tensorboard.arms import ArmCurves
from tests.tracking.conftest import Trained

TEXTS = "custom_scalars__config__"


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return found


def line(found: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in found.Scalars(name)]


def test_an_arm_has_the_mean_the_lowest_and_the_highest_of_its_runs(trained: Trained) -> None:
    folder = Path("runs") / trained.study.label / "arms"
    assert {path.name for path in folder.iterdir()} == {"baseline", "drop=0.3", "the report"}
    for arm in ("baseline", "drop=0.3"):
        found = read(folder / arm)
        runs = [trained.in_memory[f"{arm}-seed{seed}"].epochs for seed in (0, 1)]
        longest = max(record.epoch for run in runs for record in run)
        for name in set(HISTORIES) - {"time/epoch_seconds"}:
            of = {
                epoch: [r.metrics[name] for run in runs for r in run if r.epoch == epoch]
                for epoch in range(1, longest + 1)
            }
            for tag, reduced in (("", np.mean), (" lowest", np.min), (" highest", np.max)):
                steps, values = zip(*line(found, name + tag), strict=True)
                assert list(steps) == list(of)
                np.testing.assert_allclose(values, [reduced(v) for v in of.values()], rtol=1e-6)
        *_, event = found.Tensors(TEXTS)
        layout = Layout.FromString(event.tensor_proto.string_val[0])
        charts = [series for c in layout.category[0].chart for series in c.margin.series]
        assert {(c.value, c.lower, c.upper) for c in charts} == {
            (name, f"{name} lowest", f"{name} highest")
            for name in set(HISTORIES) - {"time/epoch_seconds"}
        }


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[list[tuple[str, Path]]]:
    """Runs of an arm with 3, 5 and 2 epochs, whose losses are 10, 20 and 60 plus the epoch."""
    made = []
    for loss, epochs in ((10, 3), (20, 5), (60, 2)):
        folder = tmp_path / f"arm-{loss}"
        with SummaryWriter(str(folder)) as writer:
            for epoch in range(epochs + 1):
                writer.add_scalar("val/loss" if epoch else "init/loss", loss + epoch, epoch)
        made.append(("arm", folder))
    yield made


def test_a_seed_that_ends_replaces_the_line_that_somebody_looks_at(
    runs: list[tuple[str, Path]], tmp_path: Path
) -> None:
    curves = ArmCurves(tmp_path / "arms")
    curves.add(runs[:1])
    seen = read(tmp_path / "arms" / "arm")
    assert line(seen, "val/loss") == [(1, 11), (2, 12), (3, 13)]
    curves.add(runs)
    seen.Reload()
    assert line(seen, "val/loss") == [(1, 31), (2, 32), (3, 18), (4, 24), (5, 25)]
    assert line(seen, "val/loss lowest") == [(1, 11), (2, 12), (3, 13), (4, 24), (5, 25)]
    assert line(seen, "val/loss highest") == [(1, 61), (2, 62), (3, 23), (4, 24), (5, 25)]

    # A command that goes on with the study begins from the events, and changes nothing
    size = sum(file.stat().st_size for file in (tmp_path / "arms").rglob("*tfevents*"))
    curves.add(runs)
    assert size == sum(file.stat().st_size for file in (tmp_path / "arms").rglob("*tfevents*"))
    ArmCurves(tmp_path / "arms").add(runs)
    assert line(read(tmp_path / "arms" / "arm"), "val/loss")[0] == (1, 31)
