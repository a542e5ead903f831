"""Tables of power and price: against the registry they were retyped from, against each other, and the factors made of them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import yaml

from frontier.claims import load_tco, tco_names
from frontier.claims.denominators import BITS, DIES, Ends, factor, in_force, parts, power, price, usd_per_million_tokens
from frontier.config import conf_dir
from frontier.errors import ConfigError

REGISTRY = Path(__file__).parents[2].parent / "shared" / "data" / "inferencex" / "inferencex_gpu_specs.csv"
KEYS = {"h100": "h100_sxm", "h200": "h200_sxm", "b200": "b200_sxm", "b300": "b300_sxm"}
ERAS = {"e6eed33cf2": "inferencex_2025_10", "be3524c04c": "inferencex_2026_07_14", "715c9651be": "inferencex_2026_07_31"}
KINDS = ("hyperscaler", "neocloud", "retail")


def test_every_number_of_the_registry_in_all_three_eras() -> None:
    if not REGISTRY.exists():
        pytest.skip(f"the registry's table is not here: {REGISTRY.name}")
    rows = list(csv.DictReader(REGISTRY.read_text(encoding="utf-8").splitlines()))
    for row in rows:
        table = load_tco(ERAS[row["commit"]])
        gpu = table.gpus[KEYS.get(row["gpu"], row["gpu"])]
        assert (gpu.tdp_w, gpu.all_in_kw_per_gpu) == (float(row["tdp_w"]), float(row["all_in_kw_per_gpu"]))
        assert gpu.usd_per_gpu_hr == {kind: float(row[f"usd_per_gpu_hr_{kind}"]) for kind in KINDS}
        assert (table.valid_from, table.valid_until) == (row["valid_from"], row["valid_until"])
        assert row["commit"] in table.source
    for commit, name in ERAS.items():
        assert set(load_tco(name).gpus) == {KEYS.get(row["gpu"], row["gpu"]) for row in rows if row["commit"] == commit}


def test_eras_come_first_and_the_what_if_last() -> None:
    assert tco_names() == [*ERAS.values(), "tdp", "co_packaged_optics"]
    assert [name for name in tco_names() if load_tco(name).what_if] == ["co_packaged_optics"]


def test_the_what_if_takes_twelve_percent_off_racks_alone() -> None:
    base, variant = load_tco("inferencex_2026_07_31"), load_tco("co_packaged_optics")
    for name, gpu in base.gpus.items():
        share = 0.88 if name in ("gb200", "gb300") else 1.0
        assert power(variant, name) == pytest.approx(share * power(base, name), rel=1e-9)
        assert variant.gpus[name].usd_per_gpu_hr == gpu.usd_per_gpu_hr


def test_the_data_sheet_table_holds_the_gpu_alone_and_no_price() -> None:
    table = load_tco("tdp")
    for gpu in table.gpus.values():
        assert gpu.all_in_kw_per_gpu == pytest.approx((gpu.tdp_w or math.nan) / 1000)
        assert gpu.usd_per_gpu_hr == {}


def test_the_newest_era_agrees_with_the_systems_of_the_configuration() -> None:
    table = load_tco("inferencex_2026_07_31")
    for file in (conf_dir() / "hardware").glob("*.yaml"):
        system = yaml.safe_load(file.read_text(encoding="utf-8"))
        if system["hardware"] not in table.gpus:
            continue
        gpu = table.gpus[system["hardware"]]
        assert (gpu.tdp_w, gpu.all_in_kw_per_gpu) == (system["tdp_w"], system["all_in_kw_per_gpu"])
        assert gpu.usd_per_gpu_hr["hyperscaler"] == system["usd_per_gpu_hr"]
        assert DIES[system["hardware"]] == system["dies_per_package"]


@pytest.mark.parametrize(
    ("date", "name"),
    [
        ("2024-03-18", "inferencex_2025_10"),
        ("2026-07-13", "inferencex_2025_10"),
        ("2026-07-14", "inferencex_2026_07_14"),
        ("2026-07-30", "inferencex_2026_07_14"),
        ("2026-07-31", "inferencex_2026_07_31"),
        ("9999-12-31", "inferencex_2026_07_31"),
    ],
)
def test_the_table_in_force_on_a_date(date: str, name: str) -> None:
    assert in_force({key: load_tco(key) for key in tco_names()}, date) == name


ENDS = Ends(("h200_sxm", "gb200"), ("fp8", "fp4"))


@pytest.mark.parametrize(
    ("per", "expected"),
    [
        ("gpu", 1.0),
        ("die", 1 / 2),
        ("megawatt", 1.37 / 1.87),
        ("usd", 1.22 / 1.86),
        ("bit", 4.5 / 8.0),  # a token counts 4.5 bits per weight where it counted 8
        ("megawatt_bit", 1.37 / 1.87 * 4.5 / 8.0),
    ],
)
def test_factors_between_denominators(per: str, expected: float) -> None:
    table = load_tco("inferencex_2026_07_31")
    assert factor(per, ENDS, table) == pytest.approx(expected)
    assert math.prod(parts(per, ENDS, table).values()) == pytest.approx(expected)


def test_whose_price_is_asked_for_is_taken() -> None:
    table = load_tco("inferencex_2026_07_31")
    assert factor("usd", ENDS, table, "retail") == pytest.approx(2.05 / 2.6)
    assert price(table, "b200_sxm") == 1.73


def test_a_system_that_the_table_lacks_is_undefined() -> None:
    assert math.isnan(factor("megawatt", Ends(("cpu", "gb200"), ("", "")), load_tco("tdp")))
    assert math.isnan(factor("usd", ENDS, load_tco("tdp")))


def test_bits_are_those_of_the_first_form_of_a_precision() -> None:
    assert (BITS["fp8"], BITS["fp4"], BITS["bf16"]) == (8.0, 4.5, 16.0)


def test_cost_of_a_million_tokens() -> None:
    # 1.95 USD an hour at 28,703 tokens/s: 103.3 million tokens an hour.
    assert usd_per_million_tokens(28703.0, 1.95) == pytest.approx(1.95 / 103.3308)


def test_an_unknown_table_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no table of power and price 'tpd'") as caught:
        load_tco("tpd")
    assert "inferencex_2026_07_31" in str(caught.value)
