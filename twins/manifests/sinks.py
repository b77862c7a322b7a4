"""Where a mapper pushes a property's values beside the twin: KubeEdge's `pushMethod`, field for field.

The gateway carries these to mappers; it pushes nothing itself.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field

from twins.manifests.metadata import Spec


class _Sink(Spec, frozen=True, omit_defaults=True):
    """Root of what is written as short as it was read."""


class HttpSink(_Sink, frozen=True):
    """Values go to a web server."""

    host_name: str = ""
    """Its address, with the scheme."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """Its TCP port."""
    request_path: str = ""
    """Path of the request."""
    timeout: int = 0
    """Seconds until a request is given up."""


class MqttSink(_Sink, frozen=True):
    """Values go to a topic of an MQTT broker."""

    address: str = ""
    """The broker's address, as `tcp://127.0.0.1:1883`."""
    topic: str = ""
    """Where values are published."""
    qos: Annotated[int, Meta(ge=0, le=2)] = 0
    """Quality of service: 0, 1 or 2."""
    retained: bool = False
    """Whether the broker keeps the last value for later subscribers."""


class OtelSink(_Sink, frozen=True):
    """Values go to an OpenTelemetry collector."""

    endpoint_url: str = field(default="", name="endpointURL")
    """The collector's address."""


class InfluxClient(_Sink, frozen=True):
    """Which InfluxDB 2; its token comes from the mapper's environment."""

    url: str = ""
    """The server's address."""
    org: str = ""
    """Organisation."""
    bucket: str = ""
    """Where points are kept."""


class InfluxData(_Sink, frozen=True):
    """How a value is written to InfluxDB."""

    measurement: str = ""
    """Name of the measurement."""
    tag: dict[str, str] = field(default_factory=dict)
    """Tags of each point."""
    field_key: str = ""
    """Name of the field that holds the value."""


class InfluxSink(_Sink, frozen=True):
    """Values go to InfluxDB 2."""

    influxdb2_client_config: InfluxClient | None = None
    """Which server."""
    influxdb2_data_config: InfluxData | None = None
    """What is written."""


class RedisClient(_Sink, frozen=True):
    """Which Redis."""

    addr: str = ""
    """`host:port`."""
    db: int = 0
    """Number of the database."""
    poolsize: int = 0
    """Connections at most."""
    min_idle_conns: int = 0
    """Idle connections at least."""


class RedisSink(_Sink, frozen=True):
    """Values go to Redis."""

    redis_client_config: RedisClient | None = None
    """Which server."""


class TdengineClient(_Sink, frozen=True):
    """Which TDengine."""

    addr: str = ""
    """`host:port`."""
    db_name: str = ""
    """Name of the database."""


class TdengineSink(_Sink, frozen=True):
    """Values go to TDengine."""

    client: TdengineClient | None = field(default=None, name="TDEngineClientConfig")
    """Which server."""


class MysqlClient(_Sink, frozen=True):
    """Which MySQL; its password comes from the mapper's environment."""

    addr: str = ""
    """`host:port`."""
    database: str = ""
    """Name of the database."""
    user_name: str = ""
    """Who connects."""


class MysqlSink(_Sink, frozen=True):
    """Values go to MySQL."""

    mysql_client_config: MysqlClient | None = None
    """Which server."""


class DatabaseSink(_Sink, frozen=True):
    """Values go to a database; one of four."""

    influxdb2: InfluxSink | None = None
    """InfluxDB 2."""
    redis: RedisSink | None = None
    """Redis."""
    tdengine: TdengineSink | None = field(default=None, name="TDEngine")
    """TDengine."""
    mysql: MysqlSink | None = None
    """MySQL."""


class PushMethod(_Sink, frozen=True):
    """Where a mapper pushes the values of a property, beside the twin."""

    http: HttpSink | None = None
    """A web server."""
    mqtt: MqttSink | None = None
    """An MQTT broker."""
    otel: OtelSink | None = None
    """An OpenTelemetry collector."""
    db_method: DatabaseSink | None = None
    """A database."""
    anomaly_detection: dict[str, Any] | None = None
    """Settings of a detection in the mapper; free."""
