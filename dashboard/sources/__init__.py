"""The data that the pages show: functions from a :class:`Pipeline` to dataclasses."""
