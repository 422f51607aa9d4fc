"""``etl contract``: files in, files and exit statuses out, and a clear word for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from etl.cli.main import app
from telemetry.contract import load_contract

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "contracts" / "examples" / "greenhouse.ndjson"
CONTRACT = ROOT / "contracts" / "examples" / "greenhouse.toml"
FLEET = ROOT / "contracts" / "fleet.toml"


def run(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(app, ["contract", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize("command", ["infer", "check", "diff"])
def test_each_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_what_infer_says_is_what_check_says_of_the_same_sample(tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    inferred = run("infer", SAMPLE, "-o", out, "--name", "mine")
    assert inferred.exit_code == 1
    assert "columns.ts: 1 rejected (missing:ts)" in inferred.output
    assert load_contract(out).name == "mine"
    result = run("check", out, SAMPLE, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["contract"] == "mine"
    assert (found["sample"]["read"], found["sample"]["rejected"]) == (148, 2)
    assert found["sample"]["verdict"] == "warn"


def test_without_a_file_the_contract_is_printed_and_nothing_else() -> None:
    result = run("infer", SAMPLE)
    assert result.stdout.startswith("# Inferred from all 50 messages")
    assert "read all" not in result.stdout


def test_a_file_is_not_overwritten_unless_asked(tmp_path: Path) -> None:
    out = tmp_path / "mine.toml"
    out.write_text("mine")
    result = run("infer", SAMPLE, "-o", out)
    assert result.exit_code == 1
    assert "--force" in result.output
    assert out.read_text() == "mine"
    run("infer", SAMPLE, "-o", out, "--force")
    assert load_contract(out).name == "greenhouse"


def test_a_sample_without_messages_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.write_text("\n")
    result = run("infer", empty)
    assert result.exit_code == 1
    assert "no message found" in result.output


def test_all_mistakes_of_a_contract_are_reported_at_once(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('name = "x"\n[table]\nname = "x"\n[columns.a]\ntype = "tekst"\n')
    result = run("check", wrong)
    assert result.exit_code == 1
    for problem in ("topic: is missing", "table.key: is missing", "'tekst' is not a type"):
        assert problem in result.output


def test_a_sample_of_something_else_is_quarantined(tmp_path: Path) -> None:
    other = tmp_path / "other.ndjson"
    other.write_text("".join(f'{{"x": {n}}}\n' for n in range(50)))
    result = run("check", CONTRACT, other)
    assert result.exit_code == 1
    assert "verdict: quarantine" in result.output
    assert run("check", CONTRACT, other, "--json").exit_code == 1


def test_a_destructive_difference_is_an_exit_status(tmp_path: Path) -> None:
    text = CONTRACT.read_text(encoding="utf-8")
    harmless, destructive = tmp_path / "a.toml", tmp_path / "b.toml"
    harmless.write_text(text.replace("[-20, 60]", "[-30, 60]"), encoding="utf-8")
    destructive.write_text(text.replace('type = "bigint"', 'type = "text"'), encoding="utf-8")
    assert run("diff", CONTRACT, CONTRACT).exit_code == 0
    assert run("diff", CONTRACT, harmless).exit_code == 0
    result = run("diff", CONTRACT, destructive, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["destructive"] is True


def test_the_deployed_contract_needs_a_pipeline(tmp_path: Path) -> None:
    arguments = ["--state", str(tmp_path), "contract", "diff", "deployed", str(FLEET)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "etl up" in result.output


@pytest.mark.parametrize(
    "arguments",
    [("check", "none.toml"), ("infer", "none.ndjson"), ("diff", "none.toml", str(FLEET))],
)
def test_a_missing_file_is_an_error(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert "none." in result.output


def write_lines(path: Path, documents: list[object]) -> Path:
    path.write_text("\n".join(json.dumps(document) for document in documents))
    return path


def test_infer_exits_with_1_and_says_what_a_contract_can_not_express(tmp_path: Path) -> None:
    def readings(n: int, name: str) -> list[dict[str, int]]:
        return [{"at": 1_772_366_400 + n, name: 1}, {"at": 1_772_366_500 + n, name: 2}]

    sample = write_lines(
        tmp_path / "s.ndjson",
        [{"dev": "d", "temp": readings(n, "t"), "hum": readings(n, "h")} for n in range(30)],
    )
    result = run("infer", sample, "-o", tmp_path / "c.toml")
    assert result.exit_code == 1
    assert (tmp_path / "c.toml").exists()
    assert "it has readings of its own (times in hum.at)" in result.output


def test_infer_says_which_values_become_null_and_why(tmp_path: Path) -> None:
    sample = write_lines(
        tmp_path / "s.ndjson",
        [
            {"dev": "d", "ts": 1_772_366_400 + n, "temp": -127 if n == 3 else 20 + n / 10}
            for n in range(60)
        ],
    )
    result = run("infer", sample, "-o", tmp_path / "c.toml")
    assert result.exit_code == 0
    assert "NULL: temp 1 ('-127' means no value)" in result.output
    assert "nothing distinct would be lost" in result.output


def test_a_device_can_not_write_to_the_terminal(tmp_path: Path) -> None:
    name = "x\x1b[31m\u202e\x9b"
    sample = write_lines(
        tmp_path / "s.ndjson",
        [{"dev": name, "ts": 1_772_366_400 + n // 2, name: n, "v": name} for n in range(8)],
    )
    out = tmp_path / "c.toml"
    shown = run("infer", sample, "-o", out).output + run("check", out, sample).output
    shown += run("infer", sample).output
    assert "\\u001b" in shown
    assert not {"\x1b", "\u202e", "\x9b"} & set(shown)


def test_a_pattern_that_would_fail_every_batch_is_an_error_of_the_check(tmp_path: Path) -> None:
    text = FLEET.read_text(encoding="utf-8")
    column = '\n[columns.extra]\ntype = "text"\npattern = "a{1,2000000}"\non_invalid = "null"\n'
    contract = tmp_path / "c.toml"
    contract.write_text(text + column)
    result = run("check", contract)
    assert result.exit_code == 1
    assert "columns.extra.pattern" in result.output


def test_check_does_not_pass_where_distinct_readings_share_a_key(tmp_path: Path) -> None:
    sample = write_lines(
        tmp_path / "s.ndjson", [{"dev": "d", "ts": 1_772_366_400 + n, "v": n} for n in range(9)]
    )
    out = tmp_path / "c.toml"
    assert run("infer", sample, "-o", out).exit_code == 0
    text = out.read_text()
    assert 'key = ["dev", "ts"]' in text
    one_key = text.replace('from = "ts"', "").replace(
        'formats = ["epoch_s"]', 'constant = 1772366400\nformats = ["epoch_s"]'
    )
    out.write_text(one_key.replace("[columns.ts]", '[columns.ts]\nfrom = "absent"'))
    found = json.loads(run("check", out, sample, "--json").stdout)["sample"]
    assert (found["accepted"], found["conflicts"]) == (1, 8)
    assert found["verdict"] != "pass"


def test_members_without_a_column_are_folded_after_ten_and_change_no_verdict(
    tmp_path: Path,
) -> None:
    extra = ",".join(f'"extra_{n}": "\\u001b[2J\\n verdict: pass"' for n in range(12))
    text = SAMPLE.read_text(encoding="utf-8")
    sample = tmp_path / "s.ndjson"
    sample.write_text(text.replace('{"device_id"', f'{{{extra}, "device_id"'), encoding="utf-8")
    result = run("check", CONTRACT, sample)
    assert result.exit_code == 0
    shown = [found for found in result.output.splitlines() if "  $message.extra_" in found]
    assert len(shown) == 10
    assert all(found.split()[1] == "49" and "u001b[2J" in found for found in shown)
    assert "and 2 more; --json lists all" in result.output
    found = json.loads(run("check", CONTRACT, sample, "--json").stdout)["sample"]
    assert (len(found["unread"]), found["unread"][0]["messages"]) == (12, 49)
    before = json.loads(run("check", CONTRACT, SAMPLE, "--json").stdout)["sample"]
    assert before["unread"] == []
    assert (found["verdict"], found["findings"]) == (before["verdict"], before["findings"])
