"""A page about one table shows the first contract, or the one that its address names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from dashboard.app_state import ControlRoom
from dashboard.cache import Answer
from dashboard.rendering import environment


def room(further: str = "") -> Any:
    made: Any = object.__new__(ControlRoom)
    outputs = {"ContractName": "uplink", "FurtherContracts": further}
    pipeline = SimpleNamespace(target=SimpleNamespace(outputs=outputs))
    made.ask = lambda _key, question, _age: Answer(question(pipeline), None, 1.0)
    return made


def request(query: str) -> Request:
    return Request({"type": "http", "query_string": query.encode(), "headers": []})


@pytest.mark.parametrize(
    ("further", "query", "chosen", "shown"),
    [
        ("", "", None, None),
        ("", "contract=uplink", None, None),
        ("status", "", None, "uplink"),
        ("status,meters", "contract=meters", "meters", "meters"),
        ("status", "contract=gone", None, "uplink"),
    ],
)
def test_the_contract_of_a_page(
    further: str, query: str, chosen: str | None, shown: str | None
) -> None:
    made = room(further)
    assert made.chosen_contract(request(query)) == chosen
    assert made.shown_contract(request(query)) == shown


def test_all_names_are_shown() -> None:
    assert room().contract_name() == "uplink"
    assert room("status").contract_name() == "uplink, status"


@pytest.mark.parametrize(("names", "links"), [(("uplink",), 0), (("uplink", "status"), 2)])
def test_only_a_pipeline_of_several_offers_a_choice(names: tuple[str, ...], links: int) -> None:
    parts: Any = environment().get_template("parts.html").module
    html = parts.contract_chips("/fleet", {"span": "1h"}, names, "status")
    assert html.count("<a ") == links
    assert html.count('aria-current="true"') == (1 if links else 0)
    assert ("/fleet?contract=status&amp;span=1h" in html) is bool(links)
