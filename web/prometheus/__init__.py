"""Prometheus' HTTP API over the points, so that Grafana's own Prometheus source reads them: metric = property.

`expression` makes SQL of PromQL, `vector` knows how, `api` answers. Nothing is computed here but text.
"""
