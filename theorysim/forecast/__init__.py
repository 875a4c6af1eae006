"""Forecasts of training runs: the nearest limit, twins for the distance to it, and an honest band."""

from __future__ import annotations

from theorysim.forecast.prediction import forecast

__all__ = ["forecast"]
