"""What people see: MLflow's pages, TensorBoard's and the report, in Chromium."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from playwright.sync_api import Browser, Page, expect, sync_playwright

from docs.make_pictures import CHROMIUM, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]

ROOT = Path(__file__).parents[1]
ARMS = ("baseline", "dropout", "batch-norm", "batch-norm-dropout", "weight-decay")
ARMS += ("augmentation", "early-stopping", "all")
RUNS = [f"{arm}-seed{seed}" for arm in ARMS for seed in (0, 1)]
PATIENCE = 30_000  # milliseconds


@dataclass(frozen=True)
class Shown:
    """A study that is recorded, and where its pages are."""

    folder: Path
    output: str
    study: Run
    mlflow: str
    tensorboard: str  # of all runs
    arms: str  # the TensorBoard that the command named

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{(self.folder / 'mlflow.db').as_posix()}")


def command(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MLP_CACHE": str(folder / "cache")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    environment["MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL"] = "0.5"
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("shown")
    quick = ("--seeds", "2", "--epochs", "4", "--hidden", "32,16", "--threads", "1")
    output = command(folder, "scripts.ablation", *quick)
    command(folder, "scripts.register")
    store = f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
    (study,) = MlflowClient(store).search_runs(["1"], "tags.`mlp.kind` = 'study'")
    (typed,) = re.findall("^TensorBoard: (.*)", output, re.M)
    with (
        served(folder, "mlflow", "ui", "--backend-store-uri", store, "--workers", "1") as mlflow,
        served(folder, "tensorboard.main", "--logdir", "runs", "--load_fast", "false") as board,
        served(folder, "tensorboard.main", *shlex.split(typed)[1:]) as arms,
    ):
        yield Shown(folder, output, study, mlflow, board, arms)


@pytest.fixture(scope="module")
def report(shown: Shown) -> Path:
    run_id = shown.study.info.run_id
    return Path(shown.client.download_artifacts(run_id, "report.html", str(shown.folder)))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    made = browser.new_page(viewport={"width": 1600, "height": 1000})
    made.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    failures: list[str] = []
    made.on("pageerror", lambda error: failures.append(str(error)))
    yield made
    made.close()
    assert not failures


def drawn(page: Page, source: re.Pattern[str]) -> int:
    """How many pictures with such a source have arrived with pixels."""
    pictures = page.locator("img").evaluate_all(
        "all => all.map(one => [one.src, one.complete && one.naturalWidth > 0])"
    )
    return sum(1 for address, there in pictures if there and source.search(address))


def wait_until_drawn(page: Page, source: str, count: int = 1) -> None:
    for _ in range(PATIENCE // 250):
        if drawn(page, re.compile(source)) >= count:
            return
        page.wait_for_timeout(250)
    pytest.fail(f"fewer than {count} pictures of {source}")


def test_the_address_that_a_study_prints_shows_its_verdict_and_its_arms(
    shown: Shown, page: Page
) -> None:
    (address,) = re.findall(r"http://127.0.0.1:5000/(#\S+)", shown.output)
    page.goto(shown.mlflow + address)
    expect(page.get_by_role("heading", name="regularization on digits")).to_be_visible()
    expect(page.get_by_role("heading", name="Which regularizers help?")).to_be_visible()
    page.get_by_role("button", name="Expand description").click()
    for arm in ARMS:
        expect(page.get_by_role("cell", name=arm, exact=True).first).to_be_visible()
    expect(page.get_by_text("accuracy/batch-norm", exact=True)).to_be_visible()
    expect(page.get_by_text("system/cpu_utilization_percentage")).to_be_visible()


def test_all_runs_stand_side_by_side_by_arm(shown: Shown, page: Page) -> None:
    description = shown.study.data.tags["mlflow.note.content"]
    table, charts = re.findall(r"\[as (?:a table|charts)\]\(([^)]*)\)", description)
    page.set_viewport_size({"width": 2600, "height": 1000})
    page.goto(shown.mlflow + table)
    expect(page.get_by_text("Group: batch-norm", exact=True)).to_be_visible()
    for run in ("batch-norm-seed0", "batch-norm-seed1"):
        expect(page.get_by_role("link", name=run, exact=True)).to_be_visible()
    for column in ("final/accuracy", "final/gap_accuracy", "dropout", "batch_norm"):
        expect(page.get_by_role("columnheader", name=column, exact=True).first).to_be_visible()

    page.goto(shown.mlflow + charts)
    expect(page.get_by_text("final/accuracy", exact=True).first).to_be_visible()
    # Bars, one for the mean of each arm: every final score is of step 0
    bars = page.locator(".js-plotly-plot").first.locator(".barlayer .bars path")
    expect(bars).to_have_count(len(ARMS))


def test_a_run_has_charts_pictures_over_epochs_and_files(shown: Shown, page: Page) -> None:
    (run,) = shown.client.search_runs(["1"], "attributes.run_name = 'batch-norm-seed0'")
    place = f"{shown.mlflow}#/experiments/1/runs/{run.info.run_id}"
    page.goto(place)
    expect(page.get_by_text("of 359 validation images are right")).to_be_visible()
    page.goto(f"{place}/model-metrics")
    search = page.get_by_placeholder("Search metric charts")
    search.fill("val/loss")
    expect(page.locator(".js-plotly-plot .scatterlayer path").first).to_be_visible()
    search.fill("predictions")
    wait_until_drawn(page, r"predictions.*step%2B0")
    for file in ("curves.png", "confusion_matrix.png", "mistakes.png"):
        page.goto(f"{place}/artifacts/{file}")
        wait_until_drawn(page, rf"get-artifact.*{file}|^blob:")


def test_the_registered_model_says_what_it_is(shown: Shown, page: Page) -> None:
    page.goto(f"{shown.mlflow}#/models/digits/versions/1")
    expect(page.get_by_text("champion").first).to_be_visible()
    expect(page.get_by_text("The evidence:")).to_be_visible()
    expect(page.get_by_role("link", name="the report of the study")).to_be_visible()


def test_tensorboard_lists_the_runs_beside_the_groups_of_their_curves(
    shown: Shown, page: Page
) -> None:
    page.goto(f"{shown.tensorboard}#timeseries")
    expect(page.get_by_role("button", name="Expand group").first).to_be_visible()
    # The list has pages of ten
    page.get_by_role("textbox", name="Filter runs (regex)").fill("/runs/")
    expected = [f"/runs/{run}" for run in sorted(RUNS)[:10]]
    for _ in range(PATIENCE // 500):
        seen = page.locator("body").aria_snapshot()
        if all(run in seen for run in expected):
            break
        page.wait_for_timeout(500)
    assert [run for run in expected if run not in seen] == []
    assert "train" in seen and "val" in seen


def plugin(address: str, **asked: str) -> Any:
    """The answer of TensorBoard's plugin for charts that somebody has laid out."""
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(asked)}") as answer:
        return json.load(answer)


def test_tensorboard_has_a_line_with_a_band_for_each_arm(shown: Shown, page: Page) -> None:
    address = f"{shown.arms}data/plugin/custom_scalars"
    (category,) = plugin(f"{address}/layout")["category"]
    (accuracy,) = (chart for chart in category["chart"] if chart["title"] == "val/accuracy")
    (tags,) = accuracy["margin"]["series"]
    for arm in ARMS:
        runs = shown.client.search_runs(["1"], f"tags.`mlp.arm` = '{arm}'")
        histories = [
            [m.value for m in shown.client.get_metric_history(r.info.run_id, "val/accuracy")]
            for r in runs
        ]
        for tag, reduced in (("lower", min), ("value", lambda v: sum(v) / len(v)), ("upper", max)):
            found = plugin(f"{address}/scalars", run=arm, tag=f"^{tags[tag]}$")["tag_to_events"]
            values = {step: value for _, step, value in found[tags[tag]]}
            assert values == pytest.approx(
                {k + 1: reduced(v) for k, v in enumerate(zip(*histories, strict=True))}
            )
    page.goto(f"{shown.arms}#custom_scalars")
    expect(page.get_by_text(f"Matches ({len(ARMS)})")).to_have_count(4)
    # A line and a band for each arm, in each of the charts
    assert page.locator("tf-custom-scalar-margin-chart-card").count() == 4
    page.goto(f"{shown.arms}#text")
    expect(page.get_by_text("Which regularizers help?")).to_be_visible()


def test_mlflow_shows_each_run_as_a_point_by_arm(shown: Shown, page: Page) -> None:
    description = shown.study.data.tags["mlflow.note.content"]
    (points,) = re.findall(r"\[each as a point\]\(([^)]*)\)", description)
    page.set_viewport_size({"width": 1400, "height": 1000})
    page.goto(shown.mlflow + points)
    expect(page.get_by_text(re.compile("A point for each run"))).to_be_visible()
    chart = page.locator(".js-plotly-plot").first
    expect(chart.locator(".scatterlayer .point")).to_have_count(len(RUNS))
    names = chart.locator(".xtick text").all_text_contents()
    assert sorted(names) == sorted(ARMS)


def test_tensorboard_shows_pictures_settings_and_the_report(shown: Shown, page: Page) -> None:
    page.goto(f"{shown.tensorboard}#images")
    page.get_by_role("textbox").nth(1).fill("validation/mistakes")
    wait_until_drawn(page, "data/plugin/images/individualImage|^blob:", 8)

    page.goto(f"{shown.tensorboard}#hparams")
    expect(page.get_by_role("row", name=re.compile("-seed[01] "))).to_have_count(len(RUNS))
    for setting in ("arm", "batch_norm", "dropout"):
        expect(page.get_by_role("columnheader", name=setting)).to_be_visible()

    page.goto(f"{shown.tensorboard}#text")
    page.get_by_role("textbox").nth(1).fill("^report")
    expect(page.get_by_text("Which regularizers help?")).to_be_visible()


@pytest.mark.parametrize("width", [390, 800, 1600])
def test_the_report_fits_into_any_window(report: Path, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(report.as_uri())
    expect(page.get_by_role("heading", name="Which regularizers help?")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    figures = page.locator("svg")
    assert figures.count() >= 4
    for number in range(figures.count()):
        box = figures.nth(number).bounding_box()
        assert box is not None and box["width"] > 100 and box["x"] >= 0


@pytest.fixture
def offline(browser: Browser, report: Path) -> Iterator[Page]:
    """The report, opened where there is no network; it asks for nothing."""
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 1000})
    made = context.new_page()
    asked: list[str] = []
    failures: list[str] = []
    made.on("request", lambda request: asked.append(request.url))
    made.on("pageerror", lambda error: failures.append(str(error)))
    made.goto(report.as_uri())
    made.wait_for_selector("#pair-matrix-2 svg")
    yield made
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert not failures
    context.close()


def choose(page: Page, which: str, name: str) -> None:
    page.locator(f"#pair-{which}").select_option(label=name)


def test_any_two_arms_are_compared_in_the_report(offline: Page) -> None:
    choose(offline, "one", "dropout")
    choose(offline, "other", "early-stopping")
    expect(offline.locator("#pair-curves-title")).to_contain_text("dropout and early-stopping")
    expect(offline.locator("#pair-curves svg")).to_contain_text("early-stopping")
    expect(offline.locator("#pair-matrix-2-title")).to_have_text(
        "dropout minus early-stopping, points"
    )
    offline.locator("#pair-curves").scroll_into_view_if_needed()
    box = offline.locator("#pair-curves svg").bounding_box()
    assert box
    offline.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    told = offline.locator("#vg-tooltip-element")
    expect(told).to_contain_text("mean over runs")
    assert re.search(r"arm\s+(dropout|early-stopping)", told.inner_text())
    choose(offline, "measure", "loss (nats)")
    expect(offline.locator("#pair-curves-title")).to_contain_text("loss (nats)")
    links = offline.locator("#pair-runs a").evaluate_all("all => all.map((one) => one.href)")
    assert len(links) == 4 and all("127.0.0.1:5000/#/experiments" in link for link in links)


def test_images_that_one_arm_gets_right_are_shown_by_class(offline: Page) -> None:
    choose(offline, "one", "baseline")
    choose(offline, "other", "all")
    first = offline.locator("#pair-images .finding").first
    head = first.locator("h3")
    expect(head).to_contain_text("baseline right, all wrong")
    every = count_in(head.inner_text())
    assert every > 24
    first.get_by_role("button").click()
    assert first.locator("figure").count() == every
    drawn = "all => all.every((one) => one.complete && one.naturalWidth > 0)"
    assert first.locator("img").count() == every and first.locator("img").evaluate_all(drawn)
    by_class = 0
    for digit in range(10):
        choose(offline, "class", str(digit))
        assert set(first.locator("strong").all_inner_texts()) <= {str(digit)}
        by_class += count_in(head.inner_text())
    assert by_class == every


def count_in(heading: str) -> int:
    (found,) = re.findall(r"(\d+) images", heading)
    return int(found)


def test_tables_of_the_report_are_sorted_with_the_keyboard(offline: Page) -> None:
    head = offline.locator("table.arms th").nth(2)
    for direction, sign in (("ascending", 1), ("descending", -1)):
        head.get_by_role("button").press("Enter")
        expect(head).to_have_attribute("aria-sort", direction)
        cells = offline.locator("table.arms tbody td:nth-child(3)").all_inner_texts()
        scores = [sign * float(cell.split(" ")[0]) for cell in cells]
        assert scores == sorted(scores) and len(scores) == len(ARMS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1000, 1400])
def test_everybody_can_use_the_report(offline: Page, width: int, scheme: Any) -> None:
    import axe_playwright_python

    offline.set_viewport_size({"width": width, "height": 1000})
    offline.emulate_media(color_scheme=scheme)
    offline.wait_for_selector("#pair-matrix-2 svg[aria-hidden]")
    offline.evaluate(Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text())
    found = offline.evaluate("axe.run()")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert not serious, [(one["id"], one["nodes"][0]["html"]) for one in serious]
    assert offline.evaluate("document.documentElement.scrollWidth") <= width


def test_the_report_is_complete_without_scripts_and_on_paper(
    browser: Browser, report: Path, offline: Page
) -> None:
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(report.as_uri())
    assert still.locator(".controls").first.is_hidden()
    assert still.locator("#pair-images .finding").count() == 2
    assert still.locator("figure svg").count() == 5
    context.close()
    offline.emulate_media(media="print")
    assert offline.locator(".controls").first.is_hidden()
    assert offline.locator("#pair-curves svg").is_visible()
    assert offline.locator("details table").is_visible()
