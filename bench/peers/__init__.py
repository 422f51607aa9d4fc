"""Alternatives to our transform: each produces the complete result, written to be fast."""
