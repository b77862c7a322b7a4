"""Structured Streaming: what is uploaded from now on, in windows of event time, with a watermark.

    python stream.py UPLOADED/points OUT CHECKPOINT

Reads the files that came since its last run (`availableNow`), so it can be run by a timer; a restart counts nothing
twice: the checkpoint holds which files were read, and the open windows. OUT gets lines of JSON for `gemelo import`.
"""

from __future__ import annotations

import sys

from pyspark.sql import functions as f
from session import POINTS, session


def main(source: str, target: str, checkpoint: str) -> None:
    spark = session("stream")
    arriving = spark.readStream.schema(POINTS).parquet(source)
    windows = (
        arriving.where("property = 'vibration'")
        .withWatermark("time", "2 minutes")
        .groupBy("namespace", "device", f.window("time", "5 minutes").alias("span"))
        .agg(f.mean("value").alias("mean"), f.expr("percentile_approx(value, 0.95)").alias("p95"))
    )
    lines = windows.select(
        f.date_format("span.end", "yyyy-MM-dd'T'HH:mm:ss'Z'").alias("time"),
        f.concat_ws("/", "namespace", "device").alias("device"),
        f.col("mean").alias("vibration.mean5m"),
        f.col("p95").alias("vibration.p95"),
    )
    query = (
        lines.writeStream.outputMode("append")
        .format("json")
        .option("path", target)
        .option("checkpointLocation", checkpoint)
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    read = sum(progress["numInputRows"] for progress in query.recentProgress)
    print(f"stream: {read} new points; windows that were closed are in {target}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
