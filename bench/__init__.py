"""Benchmarks: the pipeline compared with alternatives, and the durations of its functions."""
