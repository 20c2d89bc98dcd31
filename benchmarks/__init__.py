"""Benchmarks: how long Isthmus takes, each figure beside a floor measured in the same run on the same systems."""
