"""A Flink table environment on this machine, and the shapes of what a gateway gives and takes."""

from __future__ import annotations

import signal
import threading
import time

from pyflink.common import JobStatus
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.table import EnvironmentSettings, StreamTableEnvironment

COLUMNS = """
  `time` TIMESTAMP_LTZ(3), namespace STRING, device STRING, property STRING, `value` DOUBLE, text STRING, seq BIGINT,
  WATERMARK FOR `time` AS `time` - INTERVAL {lateness}
"""
"""A point, as sealed files and the tap have it."""
WINDOWS = """
  `time` STRING, device STRING, property STRING, `value` DOUBLE
"""
"""What `gemelo import` takes: one value a line."""


def environment() -> tuple[StreamTableEnvironment, StreamExecutionEnvironment]:
    """Streaming, with a checkpoint a second: files are finished at checkpoints."""
    streams = StreamExecutionEnvironment.get_execution_environment()
    streams.set_parallelism(1)
    streams.enable_checkpointing(1000)
    tables = StreamTableEnvironment.create(streams, EnvironmentSettings.in_streaming_mode())
    tables.get_config().set("table.local-time-zone", "UTC")
    return tables, streams


def sink(tables: StreamTableEnvironment, folder: str) -> None:
    """The table `windows`: lines of JSON in `folder`; files that begin with a dot are being written."""
    tables.execute_sql(f"""
        CREATE TABLE windows ({WINDOWS}) WITH (
          'connector' = 'filesystem', 'path' = 'file://{folder}', 'format' = 'json',
          'sink.rolling-policy.rollover-interval' = '2 s', 'sink.rolling-policy.check-interval' = '1 s'
        )""")


def minutes(source: str, size: str) -> str:
    """Means of a window of event time for every series of `source`, as rows of `windows`."""
    return f"""
        INSERT INTO windows
        SELECT DATE_FORMAT(window_end, 'yyyy-MM-dd''T''HH:mm:ss''Z'''), namespace || '/' || device,
               property || '.mean', AVG(`value`)
        FROM TABLE(TUMBLE(TABLE {source}, DESCRIPTOR(`time`), INTERVAL {size}))
        WHERE `value` IS NOT NULL
        GROUP BY window_start, window_end, namespace, device, property"""


def run(tables: StreamTableEnvironment, query: str, name: str, reads: str, seconds: float) -> None:
    """Run a job for so many seconds, 0 for ever; SIGTERM and Ctrl-C end it too."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    began = time.monotonic()
    job = tables.execute_sql(query)
    client = job.get_job_client()
    print(f"{name}: {reads}", flush=True)
    while not ended.wait(1.0) and not 0 < seconds < time.monotonic() - began:
        if client.get_job_status().result() != JobStatus.RUNNING:
            job.wait()  # it failed, and says why
    client.cancel().result()
    print(f"{name}: ended after {time.monotonic() - began:.0f} s")
