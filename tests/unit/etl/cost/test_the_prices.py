"""Each price and quota says where it is from and how far it can be relied on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

import pytest

from etl.cost.bill import bill, optional
from etl.cost.neighbours import own_lambda, server
from etl.cost.prices import Checked, prices
from etl.cost.quotas import quotas
from etl.cost.settings import Fleet, Pipeline
from etl.cost.simulation import simulate

EACH = Pipeline(delivery="mapping", observability="full")


@pytest.mark.parametrize("one", prices().values(), ids=prices().keys())
def test_a_price_has_a_page_of_aws_and_a_date(one):
    assert one.page.startswith("https://aws.amazon.com/")
    assert one.page.endswith("/pricing/")
    assert one.checked in get_args(Checked)
    assert re.fullmatch(r"20\d\d(-\d\d){0,2}|infracost \d+\.\d+", one.date)
    assert one.dollars > 0
    assert one.per >= 1


@pytest.mark.parametrize("one", quotas().values(), ids=quotas().keys())
def test_a_quota_has_a_page_and_a_remedy(one):
    assert one.page.startswith("https://docs.aws.amazon.com/")
    assert one.checked in {"page", "copy", "unverified"}
    assert one.remedy


def test_no_price_is_there_for_nothing():
    lines = [
        line
        for t in ("queue", "schedule")
        for line in bill(Fleet(), replace(EACH, trigger=t)).lines
    ]
    lines += [*own_lambda(Fleet()), *server(Fleet(), broker=True), *optional()]
    assert {line.price.key for line in lines} == set(prices())


def test_the_simulation_knows_all_quotas_but_the_maps_own():
    assert set(simulate(Fleet(), Pipeline()).quotas()) == set(quotas()) - {"map_concurrency"}
