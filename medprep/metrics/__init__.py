"""Metrics: how well a prediction agrees with its reference."""
