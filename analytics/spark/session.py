"""A Spark session on this machine, and what a gateway has uploaded as a table."""

from __future__ import annotations

import os

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType, TimestampType

POINTS = StructType(
    [
        StructField("time", TimestampType()),
        StructField("namespace", StringType()),
        StructField("device", StringType()),
        StructField("property", StringType()),
        StructField("value", DoubleType()),
        StructField("text", StringType()),
        StructField("seq", LongType()),
        StructField("node", StringType()),
        StructField("day", StringType()),
    ]
)
"""Uploaded points; `node` and `day` are the folders they lie in."""


def session(name: str) -> SparkSession:
    """Local, with as many threads as there are cores; `SPARK_MASTER` names a cluster instead."""
    builder = SparkSession.builder.appName(name).master(os.environ.get("SPARK_MASTER", "local[*]"))
    for key, value in {
        "spark.sql.session.timeZone": "UTC",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.log.level": "ERROR",
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def points(spark: SparkSession, folder: str) -> DataFrame:
    """All uploaded points of the fleet: `folder` has `node=…/day=…/*.parquet` below it."""
    return spark.read.schema(POINTS).parquet(folder)
