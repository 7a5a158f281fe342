"""The page about traffic."""

from __future__ import annotations

import json

from servable.traffic.report import (
    OutputReport,
    PairReport,
    ShadowReport,
    ShareReport,
    TrafficReport,
)
from servable.traffic.rules import ShadowRule, Which
from servable.wire.json_traffic import encode_traffic

V1, CANARY = Which(version=1), Which(label="canary")


def test_everything_that_is_known_is_told() -> None:
    output = OutputReport(8, 2, 0.5, 0.25, 1, 4, 1, "is missing")
    pair = PairReport(1, 2, 4, 1, "INTERNAL: it broke", 2.0, 3.0, {"y": output})
    shadow = ShadowReport(ShadowRule(CANARY, 10), 2, True, 3, 400, 0.5, 5, 6, [pair])
    split = [ShareReport(V1, 1, 9, True, 1.0), ShareReport(CANARY, None, 1, False, 0.0)]
    report = TrafficReport("m", split, "x-user-id", {1: 7}, shadow)

    assert json.loads(encode_traffic(report)) == {
        "model": "m",
        "split": [
            {"version": "1", "weight": 9, "now": "1", "available": True, "share": 1.0},
            {"label": "canary", "weight": 1, "now": None, "available": False, "share": 0.0},
        ],
        "sticky_header": "x-user-id",
        "requests": {"1": 7},
        "shadow": {
            "label": "canary",
            "percent": 10,
            "tolerance": 1e-5,
            "max_queue": 64,
            "max_shadow_bytes": 67108864,
            "now": "2",
            "available": True,
            "waiting": 3,
            "kept_bytes": 400,
            "running_seconds": 0.5,
            "dropped": 5,
            "unavailable": 6,
            "comparisons": [
                {
                    "version": "1",
                    "shadow": "2",
                    "compared": 4,
                    "failed": 1,
                    "last_error": "INTERNAL: it broke",
                    "mean_seconds": {"answer": 0.5, "shadow": 0.75},
                    "outputs": {
                        "y": {
                            "rows": 8,
                            "disagreement_rate": 0.25,
                            "max_absolute_difference": 0.5,
                            "max_relative_difference": 0.25,
                            "rows_not_finite_on_one_side": 1,
                            "argmax_disagreement_rate": 0.25,
                            "not_comparable": "is missing",
                        }
                    },
                }
            ],
        },
    }


def test_names_that_are_no_text_and_rates_of_nothing_do_not_break_the_page() -> None:
    pair = PairReport(1, 2, failed=1, last_error="\udcff", outputs={"\udcfe": OutputReport()})
    rule = ShadowRule(Which(label="\udcfd"))
    shadow = ShadowReport(rule, None, False, 0, 0, 0.0, 0, 0, [pair])

    page = json.loads(encode_traffic(TrafficReport("\udcfc", shadow=shadow)))

    (told,) = page["shadow"]["comparisons"]
    (output,) = told["outputs"].values()
    assert told["mean_seconds"] == {"answer": None, "shadow": None}
    assert (output["disagreement_rate"], output["argmax_disagreement_rate"]) == (None, None)
