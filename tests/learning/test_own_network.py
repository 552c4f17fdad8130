"""Networks of users' own: numbers, random numbers, settings, and what is refused."""

from __future__ import annotations

import importlib.util
import linecache
import pickle
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from mlp.data.dataset import open_index
from mlp.data.normalization import Normalization
from mlp.errors import NetworkError, SettingsError
from mlp.execution.executor import run
from mlp.learning.learner import Learner
from mlp.learning.networks.building import build_network, parameter_count
from mlp.learning.networks.class_file import file_of
from mlp.learning.networks.examination import examined, source_of
from mlp.learning.networks.own import class_of
from mlp.model.checkpoint import Checkpoint
from mlp.model.explanation import first_layer
from mlp.settings.base import ConfigError
from mlp.settings.training import Resolved, RunConfig
from mlp.study.arm import Arm, arm_config
from mlp.study.identity import identity
from mlp.study.plan import Study, plan
from mlp.study.suite import Suite
from mlp.tracking.memory import MemoryRun, MemoryTracker

NETWORKS = Path(__file__).parents[2] / "docs" / "networks"
SHAPE, CLASSES = (1, 8, 8), 10
HEAD = "import torch, random\nfrom torch import nn\nfrom torch.nn import functional as F\n"
# Random in each way that torch has: a layer, a function, and the shape of the computation
RANDOM = (
    HEAD
    + """
class Net(nn.Module):
    def __init__(self, shape, classes, width=16, rate=0.5):
        super().__init__()
        self.inner = nn.Linear(64, width)
        self.drop = nn.Dropout(rate)
        self.skipped = nn.Linear(width, width)
        self.outer = nn.Linear(width, classes)

    def forward(self, images):
        hidden = self.drop(F.relu(self.inner(images.flatten(1)), inplace=True))
        if self.training and torch.rand(()) < 0.5:
            hidden = self.skipped(hidden)
        return self.outer(F.dropout(hidden, 0.2, self.training))
"""
)


def written(source: str, name: str = "net.py") -> str:
    Path(name).write_text(source, encoding="utf-8")
    return f"{name}:Net"


def planned(arms: Sequence[Arm], seeds: Sequence[int] = (0,), **changes: object) -> Study:
    quick = {"epochs": 2, "images_per_class": 20, "threads": 1, **changes}
    return plan(Suite("one", "?", tuple(arms)), RunConfig.parse(quick), seeds, open_index("digits"))


def trained(arms: Sequence[Arm], **changes: object) -> dict[str, MemoryRun]:
    recorder = MemoryTracker()
    outcomes = run(planned(arms, **changes), recorder)
    assert {outcome.status for outcome in outcomes} == {"FINISHED"}
    return {made.spec.arm: made for made in recorder.runs}


def numbers(made: MemoryRun) -> list[dict[str, float]]:
    return [
        {name: value for name, value in record.metrics.items() if "seconds" not in name}
        for record in made.epochs
    ]


def resolved(**changes: object) -> Resolved:
    known = {"image_size": 8, "channels": "gray", "device": "cpu", "threads": 1, **changes}
    own = str(known.get("network", ""))
    return Resolved.parse(known | {"network_source": source_of(own)} if ":" in own else known)


def checkpoint(network: nn.Module) -> Checkpoint:
    norm = Normalization((0.0,), (1.0,))
    return Checkpoint(network, tuple(map(str, range(CLASSES))), 8, True, norm)  # type: ignore[arg-type]


# Numbers


@pytest.mark.parametrize("members", [1, 2])
def test_the_exercises_cnn_as_a_file_is_bitwise_the_one_that_is_built_in(members: int) -> None:
    own = {"network": f"{NETWORKS / 'cnn.py'}:CNN", "network.dropout": 0.4}
    arms = Arm("own", own, ""), Arm("built-in", {"network": "cnn", "dropout": 0.4}, "")
    made = trained(arms, members=members)
    of = {name: {key.split("/")[-1] for key in numbers(r)[0]} for name, r in made.items()}
    assert of["own"] != of["built-in"]  # layers have names of their own
    assert [list(epoch.values()) for epoch in numbers(made["own"])] == [
        list(epoch.values()) for epoch in numbers(made["built-in"])
    ]
    scores = [made[name].result.scores for name in ("own", "built-in")]  # type: ignore[union-attr]
    assert scores[0] == scores[1]


def test_the_page_shows_the_file() -> None:
    page = (NETWORKS.parent / "networks.md").read_text(encoding="utf-8")
    shown = page.split("```python\n")[1].split("```")[0]
    assert (NETWORKS / "cnn.py").read_text(encoding="utf-8").endswith(shown)


def test_what_it_draws_depends_on_its_seed_alone() -> None:
    network = written(RANDOM)
    changes = {"a": {}, "b": {"network.rate": 0.1}, "two": {"members": 2}}
    changes["left"] = {"init": "network", "evaluation_mode": False}
    arms = [Arm(name, {"network": network, **own}, "") for name, own in changes.items()]
    before = torch.get_rng_state()
    together = trained(arms)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(77)
    turned = trained([Arm("mlp", {"dropout": 0.5}, ""), *reversed(arms)])
    for arm in arms:
        assert numbers(together[arm.name]) == numbers(turned[arm.name])
    torch.rand(3)
    assert numbers(trained(arms[-1:])["left"]) == numbers(together["left"])
    assert numbers(together["a"]) != numbers(together["b"])
    seeds = run(planned(arms[:1], (0, 1)), MemoryTracker())
    assert seeds[0].scores != seeds[1].scores


def test_init_fills_its_linear_layers_or_leaves_what_its_constructor_made() -> None:
    network = written(RANDOM)
    configs = [resolved(network=network, init=init) for init in ("constant", "network", "network")]
    first, left, again = (Learner(c, SHAPE, CLASSES, 1).network.state_dict() for c in configs)
    assert bool((first["net.inner.weight"] == 0.01).all())
    assert all(torch.equal(left[name], again[name]) for name in left)
    bound = 1 / np.sqrt(64)  # of torch.nn.Linear
    assert 0.9 * bound < left["net.inner.weight"].abs().max() <= bound
    other = Learner(configs[1].changed({"seed": 1}), SHAPE, CLASSES, 1).network.state_dict()
    assert not torch.equal(other["net.inner.weight"], left["net.inner.weight"])
    names = Learner(configs[1], SHAPE, CLASSES, 1).histogram_samples()
    assert "weights/inner.weight" in names
    with pytest.raises(SettingsError, match="init network is for a network of your own"):
        planned([Arm("mlp", {"init": "network"}, "")])


def test_tied_frozen_and_transposed_weights_are_trained_kept_and_read(tmp_path: Path) -> None:
    source = HEAD + (
        "class Net(nn.Module):\n"
        "    def __init__(self, shape, classes):\n"
        "        super().__init__()\n"
        "        self.a, self.b = nn.Linear(64, 64, bias=False), nn.Linear(64, 64, bias=False)\n"
        "        self.b.weight = self.a.weight\n"
        "        self.fixed = nn.Parameter(torch.ones(64), requires_grad=False)\n"
        "        self.unused = nn.Parameter(torch.ones(3))\n"
        "        self.last = nn.Parameter(torch.randn(classes, 64).T)\n"
        "    def forward(self, x):\n"
        "        return torch.tanh(self.b(self.a(x.flatten(1)) * self.fixed)) @ self.last\n"
    )
    made = trained([Arm("tied", {"network": written(source)}, "")], weight_decay=0.0)["tied"]
    assert made.result is not None
    (kept,) = made.result.ensemble.members
    assert bool((kept.network.net.fixed == 1).all() and (kept.network.net.unused == 1).all())
    assert made.spec.config.network_source == source
    assert parameter_count(made.spec.config, SHAPE, CLASSES) == 64 * 64 + 3 + 64 * 10
    kept.save(tmp_path / "kept")
    read = Checkpoint.load(tmp_path / "kept")
    assert read.network.net.a.weight is read.network.net.b.weight
    assert np.array_equal(
        read.probabilities(made.result.images), made.result.evaluation.probabilities
    )
    assert (tmp_path / "kept" / "network.py").read_text(encoding="utf-8") == source


def test_diagnostics_are_of_the_linear_layers_and_the_picture_of_what_sees_pixels() -> None:
    made = trained([Arm("own", {"network": written(RANDOM)}, "")])["own"]
    assert {name for name in made.epochs[0].metrics if "signal/" in name} == {
        "init/signal/inner",
        "init/signal/outer",
    }
    config = resolved(network=f"{NETWORKS / 'cnn.py'}:CNN")
    found = first_layer(checkpoint(build_network(config, SHAPE, CLASSES)), most=64)
    assert found is not None and found.shape == (16, 3, 3, 1)
    blind = HEAD + (
        "class Net(nn.Module):\n"
        "    def __init__(self, shape, classes):\n"
        "        super().__init__()\n"
        "        self.late = nn.Linear(16, classes)\n"
        "    def forward(self, x):\n"
        "        return self.late(F.avg_pool2d(x, 2).flatten(1))\n"
    )
    config = resolved(network=written(blind))
    assert first_layer(checkpoint(build_network(config, SHAPE, CLASSES)), most=64) is None


@pytest.mark.skipif(not importlib.util.find_spec("torchvision"), reason="needs torchvision")
def test_a_resnet_of_torchvision_trains() -> None:
    network = f"{NETWORKS / 'resnet.py'}:ResNet"
    made = trained([Arm("resnet", {"network": network, "network.blocks": 1}, "")], epochs=1)
    assert made["resnet"].result is not None


# Settings


def test_its_settings_are_one_text_or_named_one_by_one() -> None:
    base = RunConfig.parse(
        {"network": "a.py:A", "network_settings": " width = 8,fast=TRUE,rate=1e-1"}
    )
    assert base.network_settings == "fast=true,rate=0.1,width=8"
    assert base.changed({"network.width": 16}).network_settings == "fast=true,rate=0.1,width=16"
    assert base.value("network.fast") is True and base.value("network.width") == 8
    # A recipe or a suite fills in what was not given, one by one
    filled = base.filled({"network.width": 99, "network.depth": 2})
    assert filled.network_settings == "depth=2,fast=true,rate=0.1,width=8"
    # Settings of one network are none of another's
    assert arm_config(Arm("x", {"network": "b.py:B"}, ""), base).network_settings == ""
    own = {"network": "b.py:B", "network.depth": 3}
    assert arm_config(Arm("x", own, ""), base).network_settings == "depth=3"
    texts = resolved(network_settings="width=8").as_text()
    assert texts["network.width"] == "8" and "network_source" not in texts
    with pytest.raises(ConfigError, match=r"network\.width should be a number, true, false, or a "):
        base.changed({"network.width": "1,2"})
    with pytest.raises(ConfigError, match="network_settings: should be names and values, such as"):
        RunConfig.parse({"network_settings": "width"})
    with pytest.raises(SettingsError, match=r"is for a network of your own, FILE\.py:CLASS"):
        planned([Arm("mlp", {"network.width": 3}, "")])


def test_a_run_is_the_same_wherever_its_file_lies_and_another_where_it_was_edited() -> None:
    Path("there").mkdir()
    here, there = written(RANDOM), written(RANDOM, "there/other.py")
    known = identity(resolved(network=here), "d")
    assert identity(resolved(network=there), "d") == known
    written(RANDOM.replace("0.2", "0.3"))
    edited = resolved(network=here)
    assert identity(edited, "d") != known
    assert identity(resolved(network=there, network_settings="width=8"), "d") != known
    # It goes elsewhere with its configuration
    Path("net.py").unlink()
    sent = pickle.loads(pickle.dumps(edited))
    assert parameter_count(sent, SHAPE, CLASSES) == 64 * 16 + 16 + 17 * 16 + 17 * 10
    assert edited.as_text()["network_source"] != edited.network_source


# What is refused, in one line and before anything trains


def net(body: str = "return self.last(x.flatten(1))", init: str = "", takes: str = "") -> str:
    """A network that is as it should be, but for what is given."""
    return HEAD + (
        f"class Net(nn.Module):\n"
        f"    def __init__(self, shape, classes{takes}):\n"
        f"        super().__init__()\n"
        f"        self.last = nn.Linear(64, classes)\n"
        f"        {init}\n"
        f"    def forward(self, x):\n"
        f"        {body}\n"
    )


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def Net(:", r"line 1: SyntaxError: invalid syntax"),
        ("x = 1\nimport nothing_such", r"line 2: ModuleNotFoundError: No module named"),
        ("x = 1 / 0", r"line 1: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", r"line 1: SystemExit: 3"),
        (HEAD + "class Other(nn.Module): pass", r"the file has no class Net; it has Other"),
        ("", r"the file has no class Net; it has none"),
        ("class Net: pass", r"Net is no torch\.nn\.Module"),
        ("Net = 3", r"Net is no torch\.nn\.Module"),
        ("import beside", r"it imports beside, which lies beside it; the file goes alone"),
        (HEAD + "class Net(nn.Module):\n    def __init__(self, classes): pass",
         r"its constructor should take shape \(C, H, W\) and classes; it takes classes"),
        (net(takes=", width"), r"its constructor needs width: give network_settings width=\.\.\."),
        (net(init="self.last = nn.Linear(3, 'x')"), r"line 8: TypeError: "),
        (net(init="self.last = None"), r"it has no parameters to train"),
        (net(init="self.last = nn.LazyLinear(classes)"), r"the size of last\.weight is not known"),
        (net("return self.last(x)"), r"line 10: RuntimeError: mat1 and mat2 shapes cannot be mult"),
        (net("return self.last(x.flatten(1))[:, :3]"),
         r"for 2 images of 10 classes it gives float32 of shape \(2, 3\); logits should be "),
        (net("return self.last(x.flatten(1)).double()"), r"it gives float64 of shape \(2, 10\)"),
        (net("return x, self.last(x.flatten(1))"), r"it gives a tuple, where a tensor of logits"),
        (net("return self.last(x.flatten(1)).softmax(1)"), r"it gives probabilities, where"),
        (net("return self.last(x.flatten(1)).detach()"), r"no gradient reaches its parameters"),
        (net("return self.last(F.dropout(x).flatten(1))"), r"in evaluation mode are random"),
        (net("return self.last(x.flatten(1)) + self.training * random.random()"),
         r"made again with the same seed, it is another one: let it draw random numbers"),
        (net(init="self.last.bias.data.fill_(random.random())"), r"same seed, it is another one"),
        (net("return self.last(x.flatten(1)) - x.mean()"), r"depends on the others of the batch"),
        (net("return self.last(x.view(2, 64))"), r"line 10: RuntimeError: shape '\[2, "),
        (net("return self.last(x.mul_(2).flatten(1))"), r"it changes the images that it is given"),
    ],
)  # fmt: skip
def test_a_network_that_cannot_be_trained_is_refused_in_one_line(source: str, said: str) -> None:
    Path("beside.py").write_text("", encoding="utf-8")
    network = written(source)
    with pytest.raises(NetworkError, match=said) as caught:
        examined(network, source_of(network), SHAPE, CLASSES, "", 2)
    assert str(caught.value).startswith("network net.py:Net: ") and "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_what_names_no_network_is_refused() -> None:
    network = written(RANDOM)
    with pytest.raises(ConfigError, match=r"of mlp, mixer, cnn, FILE\.py:CLASS; 'net.py' was"):
        RunConfig.parse({"network": "net.py"})
    with pytest.raises(NetworkError, match=r"network no.py:Net: the file cannot be read: No such"):
        planned([Arm("own", {"network": "no.py:Net"}, "")])
    for given, said in {
        "widht": "it has no setting widht; did you mean width\\? it has width, rate",
        "shape": "it has no setting shape",
    }.items():
        with pytest.raises(NetworkError, match=said):
            planned([Arm("own", {"network": network, f"network.{given}": 3}, "")])


def test_a_network_that_fails_later_says_where() -> None:
    later = net("assert x.mean() < 0.9 or not self.training; return self.last(x.flatten(1))")
    network = Learner(resolved(network=written(later)), SHAPE, CLASSES, 1).network
    with pytest.raises(NetworkError, match=re.escape("line 10: AssertionError")):
        network.train()(torch.ones(2, *SHAPE))


def test_two_files_with_a_class_of_one_name_are_two_networks() -> None:
    one, two = class_of(net(), "Net"), class_of(net(init="pass  # other"), "Net")
    assert one is not two and class_of(net(), "Net") is one


# A class of a notebook, whose cells are in no file

CELLS = [
    "import numpy as np, torch\nfrom torch import nn\nfrom torch.nn import functional as F",
    "WIDTH, NAME = 8, 'x'\n\ndef twice(x):\n    return 2 * x * np.float32(1)",
    "class Block(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.inner = nn.Linear(64, WIDTH)\n"
    "    def forward(self, x):\n        return twice(F.relu(self.inner(x)))",
    "class Net(nn.Module):\n    def __init__(self, shape, classes):\n        super().__init__()\n"
    "        self.block, self.last = Block(), nn.Linear(WIDTH, classes)\n"
    "    def forward(self, x):\n        return self.last(self.block(x.flatten(1)))",
]


def test_a_class_of_a_notebook_is_written_with_what_it_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    for number, cell in enumerate(CELLS):
        lines = cell.splitlines(keepends=True)
        monkeypatch.setitem(linecache.cache, f"<cell {number}>", (len(cell), None, lines, ""))
        exec(compile(cell, f"<cell {number}>", "exec"), vars(notebook))
    network = file_of(notebook.Net, tmp_path / "networks")
    assert file_of(notebook.Net, tmp_path / "networks") == network
    made = trained([Arm("own", {"network": network}, "")])["own"]
    assert "init/signal/block.inner" in made.epochs[0].metrics
    vars(notebook)["WIDTH"] = [8]
    with pytest.raises(NetworkError, match="the network uses WIDTH, a list, which cannot go with"):
        file_of(notebook.Net, tmp_path)


def test_a_class_of_a_file_is_named_by_it() -> None:
    spec = importlib.util.spec_from_file_location("own_cnn", NETWORKS / "cnn.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert file_of(module.CNN, Path()) == f"{NETWORKS / 'cnn.py'}:CNN"
