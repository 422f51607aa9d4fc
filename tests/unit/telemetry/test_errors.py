from telemetry import errors


def test_the_names_of_a_branch_are_what_a_retry_lists():
    assert errors.names_of(errors.TransientError) == [
        "TransientError",
        "StorageUnavailableError",
        "QueueUnavailableError",
        "DatabaseUnavailableError",
        "DatabaseBusyError",
        "SchemaBehindError",
    ]


def test_every_error_says_when_it_is_raised():
    for name in errors.names_of(errors.TelemetryError):
        assert getattr(errors, name).__doc__.startswith("Raised ")


def test_no_error_is_both_transient_and_permanent():
    transient = set(errors.names_of(errors.TransientError))
    assert transient.isdisjoint(errors.names_of(errors.PermanentError))


def test_every_error_is_exported():
    assert set(errors.names_of(errors.TelemetryError)) <= set(errors.__all__)
