"""Forecasts in a process of their own: `worker` is that process, which alone loads statsmodels; `process` starts it."""
