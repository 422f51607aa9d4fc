"""pipeline.toml: read, checked, overridden by flags; every mistake is named with a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etl.deployment.pipeline_settings import PipelineSettings, aws_settings, platform_settings
from etl.deployment.settings_file import (
    EnteredSettings,
    SettingsError,
    flag_value,
    from_flags,
    read_file,
)

CONTRACT = Path("contracts/fleet.toml").absolute()
OWNER = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner-AbCdEf"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    (tmp_path / "bundle.pem").write_text("-----BEGIN CERTIFICATE-----\n")

    def written(text: str) -> Path:
        path = tmp_path / "pipeline.toml"
        path.write_text(text)
        return path

    return written


def enough(more: str = "") -> str:
    return (
        f'stack = "plant"\ncontract = "{CONTRACT}"\nregion = "eu-central-1"\n'
        f'[database]\nhost = "db.example.com"\nca_file = "bundle.pem"\nowner_secret_arn = "{OWNER}"\n'
        f"{more}"
    )


def refused(path: Path) -> str:
    with pytest.raises(SettingsError) as error:
        pipeline = PipelineSettings(read_file(path))
        settings = aws_settings(pipeline)
        if pipeline.has_platform:
            platform_settings(pipeline, settings, "pl-1")
    return str(error.value)


def test_values_reach_the_settings_and_the_rest_keeps_its_default(write, tmp_path):
    pipeline = PipelineSettings(
        read_file(
            write(
                enough(
                    '[run]\ntrigger = "queue"\nmax_concurrency = 3\ntolerated_failure_share = 1\n'
                    '[network]\nsubnet_ids = ["subnet-1", "subnet-2"]\nsecurity_group_ids = ["sg-1"]\n'
                    '[runtime]\narchitecture = "x86_64"\n[tuning]\nDRAIN_SECONDS = "9"\n'
                    '[tags]\nTeam = "sensors"\n'
                )
            )
        )
    )
    settings = aws_settings(pipeline)
    assert settings.stack == "plant"
    assert (settings.trigger_mode, settings.max_concurrency) == ("queue", 3)
    assert settings.tolerated_failure_share == 1.0
    assert settings.subnet_ids == ("subnet-1", "subnet-2")
    assert (settings.target.architecture, settings.target.python) == ("x86_64", "3.13")
    assert settings.tuning == {"DRAIN_SECONDS": "9"}
    assert settings.tags == {"Team": "sensors"}
    assert settings.database.ca_file == tmp_path / "bundle.pem"
    assert settings.schedule_expression == "rate(1 minute)"
    assert not pipeline.has_platform


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (
            "[run]\nmax_concurency = 3\n",
            "run.max_concurency is not a setting: did you mean run.max_concurrency",
        ),
        (
            "[run]\nalert_email = 'x'\n",
            "run.alert_email is not a setting: did you mean operation.alert_email",
        ),
        ("[runs]\ntrigger = 'queue'\n", "runs.trigger is not a setting: did you mean run.trigger"),
        (
            "[platform]\nprxy = true\n",
            "platform.prxy is not a setting: did you mean platform.proxy",
        ),
        ("[something]\nelse = 1\n", "something.else is not a setting: `etl settings list`"),
    ],
)
def test_an_unknown_key_is_refused_and_the_nearest_is_named(write, line, meant):
    assert meant in refused(write(enough(line)))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('[run]\nmax_concurrency = "3"', 'run.max_concurrency: expected a whole number, found "3"'),
        (
            "[run]\nmax_concurrency = true",
            "run.max_concurrency: expected a whole number, found true",
        ),
        ('[run]\ntrigger = "hourly"', "'hourly' is not one of schedule, queue, both"),
        (
            "[run]\nmax_concurrency = 0",
            "run.max_concurrency: 0 is out of range: 1 to 1,000 is allowed",
        ),
        ('[run]\nschedule = "hourly"', "run.schedule: 'hourly' does not match ^(rate"),
        ("[run]\nqueue_window_seconds = 301", "301 is out of range: 1 to 300 is allowed"),
        (
            '[run]\nqueue_delivery = "mapping"\nvisibility_timeout_seconds = 60',
            "needs at least 205",
        ),
        ("[run]\nqueue_window_seconds = 9", "drain loop of 10 minutes needs at least 10"),
        ("[run]\nexecution_timeout_seconds = 900", "a drain loop needs at least 1260"),
        ("[operation]\nlog_retention_days = 8", "8 is not one of 1, 3, 5, 7"),
        ("[tags]\nCostCentre = 4711", 'tags.CostCentre: not a text; write "4711"'),
        ("[network]\nsubnet_ids = ['subnet-1']", "must be set together"),
        ("[network]\nsubnet_ids = [1]", "expected a list of texts"),
        ("[platform]\nproxy = true", "database.host and [platform] are both set"),
        ("[platform]\nbackup_days = 3", "platform.backup_days: 3 is out of range: 7 to 35"),
        ("[platform]\nzones = 4", "platform.zones: 4 is not one of 2, 3"),
        ("[platform]\nvpc_cidr = '10.0.0.0/8'", "platform.vpc_cidr: '10.0.0.0/8' does not match"),
    ],
)
def test_a_value_that_can_not_be_used_is_named_with_what_is_needed(write, line, problem):
    assert problem in refused(write(enough(line + "\n")))


def test_all_problems_are_reported_at_once(write):
    told = refused(write(enough('[run]\nx = 1\nmax_concurrency = "3"\n')))
    assert "run.x is not a setting" in told
    assert "run.max_concurrency" in told


def test_what_is_missing_is_reported_with_where_to_get_it(write):
    told = refused(write(f'contract = "{CONTRACT}"\n'))
    assert "database.host is missing: name a PostgreSQL, or add [platform]" in told
    assert "database.owner_secret_arn is missing" in told
    assert "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem" in told


def test_a_file_that_is_not_there_is_named_by_its_key(write):
    assert "database.ca_file: there is no file" in refused(
        write(enough().replace("bundle.pem", "nowhere.pem"))
    )


def test_a_file_that_is_no_toml_is_reported(write):
    assert "is not TOML" in refused(write("stack = \n"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("stack = " + "9" * 5_000, "is not TOML"),
        ("stack = " + "[" * 9_000 + "]" * 9_000, "nested too deeply"),
        ("stack = 0x" + "f" * 5_000, "stack: has a number larger than any double"),
        ("tags.cost = [0x" + "f" * 5_000 + "]", "tags.cost: has a number larger than any double"),
        ("tags" + ".a" * 2_000 + " = 1", "is nested in more than 10 levels"),
    ],
)
def test_what_python_can_not_write_is_refused_in_a_sentence(write, line, said):
    sentence = refused(write(line))
    assert said in sentence
    assert len(sentence) < 1_000


@pytest.mark.parametrize("name", ["1plant", "my_plant", "p" * 41, ""])
def test_a_name_that_cloudformation_refuses_is_refused_here(write, name):
    assert "a stack's name begins with a letter" in refused(
        write(enough().replace('"plant"', f'"{name}"'))
    )


def test_flags_override_the_file():
    file = EnteredSettings({"stack": "plant", "run.trigger": "queue"}, "file")
    both = from_flags({"run.trigger": "schedule", "run.max_concurrency": 4}).over(file)
    assert both.values == {"stack": "plant", "run.trigger": "schedule", "run.max_concurrency": 4}


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("run.max_concurrency=4", ("run.max_concurrency", 4)),
        ("run.schedule=rate(5 minutes)", ("run.schedule", "rate(5 minutes)")),
        ('run.schedule="rate(5 minutes)"', ("run.schedule", "rate(5 minutes)")),
        ("operation.retain_data=false", ("operation.retain_data", False)),
        ('network.subnet_ids=["subnet-1"]', ("network.subnet_ids", ["subnet-1"])),
        ("tuning.DRAIN_SECONDS=5", ("tuning.DRAIN_SECONDS", "5")),
    ],
)
def test_any_setting_can_be_set_by_a_flag(flag, expected):
    key, value = flag_value(flag)
    assert (key, value) == expected
    from_flags({key: value})


def test_a_flag_without_a_value_says_how():
    with pytest.raises(SettingsError, match=r"--set run\.trigger=queue"):
        flag_value("run.trigger")


def test_an_empty_platform_table_asks_for_a_platform_and_its_mistakes_are_reported(write):
    text = f'stack = "plant"\ncontract = "{CONTRACT}"\n[database]\nca_file = "bundle.pem"\n'
    pipeline = PipelineSettings(read_file(write(f"{text}[platform]\n")))
    assert pipeline.has_platform
    settings = aws_settings(pipeline)
    platform = platform_settings(pipeline, settings, "pl-1")
    assert (platform.stack, platform.s3_prefix_list_id) == ("plant-platform", "pl-1")
    assert platform.database_name == settings.database.name
    told = refused(write(f'{text}[platform]\nnetwork = "given"\n'))
    assert "network = given needs vpc_id" in told


def test_here_what_the_stand_ins_have_themselves_is_left_aside(write):
    pipeline = PipelineSettings(read_file(write(enough('[run]\ntrigger = "queue"\n'))))
    base = aws_settings(pipeline)
    applied = pipeline.applied_to(base, local=True)
    assert applied.trigger_mode == "queue"
    assert set(pipeline.ignored_locally()) == {
        "database.host",
        "database.ca_file",
        "database.owner_secret_arn",
    }
