"""Limits of AWS that the platform's settings are checked against. All pages read 2026-11."""

from __future__ import annotations

from workflow.limits import Limit

__all__ = ["INSTANCE_NAME", "TRACE_GROUP_NAME"]

INSTANCE_NAME = Limit(
    "name of an RDS instance",
    63,
    "characters",
    "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html",
)
TRACE_GROUP_NAME = Limit(
    "name of an X-Ray group",
    32,
    "characters",
    "https://docs.aws.amazon.com/xray/latest/api/API_CreateGroup.html",
)
