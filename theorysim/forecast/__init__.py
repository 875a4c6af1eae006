"""Forecasts of training runs: the nearest limit, twins for the distance to it, and an honest band."""

from __future__ import annotations

from theorysim.forecast.prediction import forecast
from theorysim.forecast.rates import best_learning_rate

__all__ = ["best_learning_rate", "forecast"]
