import pytest

from telemetry import settings
from telemetry.errors import ConfigurationError


@pytest.fixture
def database(monkeypatch):
    monkeypatch.setenv("DATABASE_HOST", "db.example")
    monkeypatch.setenv("DATABASE_NAME", "telemetry")
    for name in ("DATABASE_PORT", "DATABASE_SSLMODE"):
        monkeypatch.delenv(name, raising=False)


def test_a_missing_setting_is_named(monkeypatch):
    monkeypatch.setenv("DATA_BUCKET", "  ")
    with pytest.raises(ConfigurationError, match="DATA_BUCKET is not set"):
        settings.text("DATA_BUCKET")


@pytest.mark.parametrize("value", ["many", "1.5", "-1"])
def test_a_count_must_be_a_whole_number(monkeypatch, value):
    monkeypatch.setenv("DRAIN_RECEIVERS", value)
    with pytest.raises(ConfigurationError, match="DRAIN_RECEIVERS"):
        settings.whole_number("DRAIN_RECEIVERS", 8, least=1)


@pytest.mark.parametrize("value", ["nan", "1.1", "-0.1", "half"])
def test_a_share_must_be_within_its_limits(monkeypatch, value):
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", value)
    with pytest.raises(ConfigurationError, match="TOLERATED_FAILURE_SHARE"):
        settings.number("TOLERATED_FAILURE_SHARE", 0.0, most=1.0)


@pytest.mark.usefixtures("database")
def test_the_database_is_reached_over_tls_unless_set_otherwise():
    found = settings.DatabaseSettings.from_environment()
    assert found == settings.DatabaseSettings(
        host="db.example", port=5432, name="telemetry", sslmode="require"
    )


@pytest.mark.usefixtures("database")
def test_an_unknown_sslmode_is_refused_with_the_known_ones(monkeypatch):
    monkeypatch.setenv("DATABASE_SSLMODE", "on")
    with pytest.raises(ConfigurationError, match="verify-full"):
        settings.DatabaseSettings.from_environment()
