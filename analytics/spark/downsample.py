"""Batch: one-minute means, extremes and counts of every series of every node.

    python downsample.py UPLOADED/points OUT

OUT gets lines of JSON that `gemelo import OUT` brings back as series `PROPERTY.mean1m` and so on.
"""

from __future__ import annotations

import sys

from pyspark.sql import functions as f
from session import points, session


def main(source: str, target: str) -> None:
    spark = session("downsample")
    numbers = points(spark, source).where("value IS NOT NULL")
    minutes = numbers.groupBy(
        "node", "namespace", "device", "property", f.window("time", "1 minute").alias("minute")
    ).agg(
        f.count("value").alias("n"),
        f.mean("value").alias("mean"),
        f.min("value").alias("min"),
        f.max("value").alias("max"),
    )
    figures = f.explode(f.create_map(*[part for name in ("mean", "min", "max") for part in (f.lit(name), f.col(name))]))
    named = minutes.select(
        f.date_format("minute.end", "yyyy-MM-dd'T'HH:mm:ss'Z'").alias("time"),
        f.concat_ws("/", "namespace", "device").alias("device"),
        "property",
        figures.alias("figure", "value"),
    ).withColumn("property", f.concat("property", f.lit("."), "figure", f.lit("1m")))
    named.drop("figure").coalesce(1).write.mode("overwrite").json(target)
    nodes = minutes.select("node").distinct().count()
    print(f"downsample: {numbers.count()} points of {nodes} nodes became {minutes.count()} minutes of a series")


if __name__ == "__main__":
    main(*sys.argv[1:3])
