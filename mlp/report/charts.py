"""Charts that a page's script draws, as Vega-Lite specifications without their data."""

from __future__ import annotations

from collections.abc import Sequence

from mlp.report.drawing import BLUE
from mlp.report.wording import Wording

Spec = dict[str, object]
_FIRST, _SECOND = BLUE, "#d08700"
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_MOST_WRITTEN = 12  # classes, of which more leave no room for numbers


def curves(say: Wording) -> Spec:
    """Rows of arm, part, epoch, mean, low and high: a line and a band for each arm and part."""
    part = {"domain": [say("validation"), say("train")], "range": [[1, 0], [4, 3]]}
    across = {"field": "epoch", "type": "quantitative", "title": say("epoch")}
    up = {"type": "quantitative", "scale": {"zero": False}}
    told = [
        {"field": "arm", "title": say("arm")},
        {"field": "part", "title": say("pair.part")},
        {"field": "epoch", "title": say("epoch")},
        *(
            {"field": field, "title": say(f"pair.{field}"), "format": ".4~f"}
            for field in ("mean", "low", "high")
        ),
    ]
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
                "scale": {"range": [_FIRST, _SECOND]},
                "legend": {"title": None, "orient": "top", "labelLimit": 300},
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
                "params": [
                    {"name": "near", "select": {"type": "point", "on": "pointerover", "nearest": True}}
                ],
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {
                    "y": {"field": "mean", "type": "quantitative"},
                    "detail": detail,
                    "opacity": {"condition": {"param": "near", "empty": False, "value": 1}, "value": 0},
                    "tooltip": told,
                },
            },
        ],
    }  # fmt: skip


def matrix(say: Wording, classes: Sequence[str], difference: bool) -> Spec:
    """Rows of true, predicted and value in percent; of a difference, both signs have a colour."""
    colour = {"scheme": "redblue"} if difference else {"range": ["#f7fbff", "#08306b"], "domain": [0, 100]}
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
        {"field": "value", "title": "%", "format": "+.1f" if difference else ".1f"},
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
