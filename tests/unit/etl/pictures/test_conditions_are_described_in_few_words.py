import pytest

from etl.pictures.conditions import condition_text


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"Variable": "$.batches", "NumericGreaterThan": 0}, "batches > 0"),
        ({"Variable": "$.status", "StringEquals": "partial"}, "status = partial"),
        ({"Variable": "$.a", "NumericLessThanEqualsPath": "$.b"}, "a ≤ b"),
        ({"Variable": "$.force", "BooleanEquals": True}, "force = true"),
        ({"Variable": "$.key", "StringMatches": "raw/*"}, "key matches raw/*"),
        ({"Variable": "$.prefix", "IsPresent": True}, "has prefix"),
        ({"Variable": "$.prefix", "IsPresent": False}, "no prefix"),
        ({"Variable": "$.n", "IsNull": False}, "n is not null"),
        ({"Not": {"Variable": "$.n", "IsNumeric": True}}, "not (n is numeric)"),
        (
            {"And": [{"Variable": f"$.{n}", "IsPresent": True} for n in ("bucket", "manifest")]},
            "has bucket, manifest",
        ),
        (
            {"And": [{"Variable": f"$.{n}", "IsPresent": True} for n in "abcd"]},
            "has a, b and 2 more",
        ),
        (
            {
                "Or": [
                    {"Variable": "$.n", "NumericEquals": 1},
                    {"Variable": "$.m", "IsPresent": True},
                ]
            },
            "n = 1 or has m",
        ),
        ({"Condition": "{% $states.input.n > 1 %}"}, "$states.input.n > 1"),
    ],
)
def test_a_rule_is_reported(rule: dict, told: str) -> None:
    assert condition_text({**rule, "Next": "X"}) == told
