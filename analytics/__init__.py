"""Jobs for Spark and Flink on what a gateway has stored and uploaded, each in an environment of its own.

`make analytics` sets both up and runs everything here once, on a plant that is made up; see `docs/analytics.md`.
"""
