"""Charts that a page's script draws, as Vega-Lite specifications without their data."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mlp.report.wording import Wording

Spec = dict[str, object]
_COLOURS = ["#2b7cc4", "#d08700"]  # on white and on black
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_MOST_WRITTEN = 12  # classes, of which more leave no room for numbers


def curves(say: Wording) -> Spec:
    """Rows of arm, part, epoch, mean, low and high: a line and a band for each arm and part."""
    part = {"domain": [say("validation"), say("train")], "range": [[1, 0], [4, 3]]}
    across = {"field": "epoch", "type": "quantitative", "title": say("epoch")}
    up = {"type": "quantitative", "scale": {"zero": False}}
    # Not as fields: of texts, Vega-Lite looks in the wrong place where the nearest point is shown
    told = {say("arm"): "arm", say("pair.part"): "part", say("epoch"): "epoch"} | {
        say(f"pair.{field}"): field for field in ("mean", "low", "high")
    }
    expression = ", ".join(f"{json.dumps(t)}: (datum.datum || datum).{f}" for t, f in told.items())
    near = {"type": "point", "on": "pointerover", "nearest": True}
    visible = {"param": "near", "empty": False, "value": 1}
    detail = {"field": "part"}
    return {
        "$schema": _SCHEMA,
        "width": "container",
        "height": 300,
        "encoding": {
            "x": across | {"axis": {"tickMinStep": 1, "grid": False}},
            "color": {
                "field": "arm",
                "sort": None,
                "scale": {"range": _COLOURS},
                "legend": {"title": None, "orient": "top", "labelLimit": 300, "symbolOpacity": 1},
            },
        },
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.18},
                "encoding": {
                    "y": up | {"field": "low", "title": None},
                    "y2": {"field": "high"},
                    "detail": detail,
                },
            },
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "y": up | {"field": "mean", "title": None},
                    "strokeDash": {
                        "field": "part",
                        "scale": part,
                        "legend": {"title": None, "orient": "top"},
                    },
                },
            },
            {
                "params": [{"name": "near", "select": near}],
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {
                    "y": {"field": "mean", "type": "quantitative"},
                    "detail": detail,
                    "opacity": {"condition": visible, "value": 0},
                    "tooltip": {"value": {"expr": f"{{{expression}}}"}},
                },
            },
        ],
    }  # fmt: skip


def matrix(say: Wording, classes: Sequence[str], difference: bool) -> Spec:
    """Rows of true, predicted and value in percent; of a difference, both signs have a colour."""
    colour = (
        {"scheme": "redblue"}
        if difference
        else {"range": ["#f7fbff", "#08306b"], "domain": [0, 100]}
    )
    axis = {"labelLimit": 90, "grid": False, "ticks": False, "domain": False}
    encoding = {
        "x": {
            "field": "predicted", "type": "nominal", "sort": None, "title": say("predicted"),
            "axis": axis | {"labelAngle": -45},
        },
        "y": {"field": "true", "type": "nominal", "sort": None, "title": say("true"), "axis": axis},
    }  # fmt: skip
    told = [
        {"field": "true", "title": say("true")},
        {"field": "predicted", "title": say("predicted")},
        {"field": "value", "title": "%", "type": "quantitative"},
    ]
    cells = {
        "mark": "rect",
        "encoding": {
            "color": {
                "field": "value", "type": "quantitative", "scale": colour, "legend": None,
            },
            "tooltip": told,
        },
    }  # fmt: skip
    numbers = {
        "transform": [{"filter": "abs(datum.value) >= 0.5"}],
        "mark": {"type": "text", "fontSize": 9},
        "encoding": {
            "text": {"field": "value", "type": "quantitative", "format": ".0f"},
            "color": {
                "condition": {"test": "abs(datum.value) > 0.6 * datum.full", "value": "white"},
                "value": "black",
            },
        },
    }
    layers = [cells, numbers] if len(classes) <= _MOST_WRITTEN else [cells]
    return {
        "$schema": _SCHEMA,
        "width": "container",
        "height": max(220, 8 * len(classes)),
        "encoding": encoding,
        "layer": layers,
    }
