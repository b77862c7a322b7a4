from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PixelFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIXEL_FORMAT_UNSPECIFIED: _ClassVar[PixelFormat]
    JPEG: _ClassVar[PixelFormat]
    RGB24: _ClassVar[PixelFormat]
    BGR24: _ClassVar[PixelFormat]
    NV21: _ClassVar[PixelFormat]
    YUV420P: _ClassVar[PixelFormat]
    GRAY8: _ClassVar[PixelFormat]
PIXEL_FORMAT_UNSPECIFIED: PixelFormat
JPEG: PixelFormat
RGB24: PixelFormat
BGR24: PixelFormat
NV21: PixelFormat
YUV420P: PixelFormat
GRAY8: PixelFormat

class RegisterRequest(_message.Message):
    __slots__ = ("device_id", "phone_model", "app_version", "capabilities", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    PHONE_MODEL_FIELD_NUMBER: _ClassVar[int]
    APP_VERSION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    device_id: str
    phone_model: str
    app_version: str
    capabilities: Capabilities
    labels: _containers.ScalarMap[str, str]
    def __init__(self, device_id: _Optional[str] = ..., phone_model: _Optional[str] = ..., app_version: _Optional[str] = ..., capabilities: _Optional[_Union[Capabilities, _Mapping[str, object]]] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("formats", "max_width", "max_height", "max_fps", "local_model", "battery_powered")
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    MAX_WIDTH_FIELD_NUMBER: _ClassVar[int]
    MAX_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_FPS_FIELD_NUMBER: _ClassVar[int]
    LOCAL_MODEL_FIELD_NUMBER: _ClassVar[int]
    BATTERY_POWERED_FIELD_NUMBER: _ClassVar[int]
    formats: _containers.RepeatedScalarFieldContainer[PixelFormat]
    max_width: int
    max_height: int
    max_fps: float
    local_model: LocalModel
    battery_powered: bool
    def __init__(self, formats: _Optional[_Iterable[_Union[PixelFormat, str]]] = ..., max_width: _Optional[int] = ..., max_height: _Optional[int] = ..., max_fps: _Optional[float] = ..., local_model: _Optional[_Union[LocalModel, _Mapping[str, object]]] = ..., battery_powered: _Optional[bool] = ...) -> None: ...

class LocalModel(_message.Message):
    __slots__ = ("name", "version", "sha256", "infer_us")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    INFER_US_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    sha256: str
    infer_us: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., sha256: _Optional[str] = ..., infer_us: _Optional[int] = ...) -> None: ...

class RegisterReply(_message.Message):
    __slots__ = ("twin", "models", "limits", "heartbeat_ms")
    TWIN_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_MS_FIELD_NUMBER: _ClassVar[int]
    twin: str
    models: _containers.RepeatedCompositeFieldContainer[Model]
    limits: Limits
    heartbeat_ms: int
    def __init__(self, twin: _Optional[str] = ..., models: _Optional[_Iterable[_Union[Model, _Mapping[str, object]]]] = ..., limits: _Optional[_Union[Limits, _Mapping[str, object]]] = ..., heartbeat_ms: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "labels", "input_width", "input_height", "task", "sha256", "licence")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    INPUT_WIDTH_FIELD_NUMBER: _ClassVar[int]
    INPUT_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    input_width: int
    input_height: int
    task: str
    sha256: str
    licence: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., input_width: _Optional[int] = ..., input_height: _Optional[int] = ..., task: _Optional[str] = ..., sha256: _Optional[str] = ..., licence: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_in_flight", "max_bytes")
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_in_flight: int
    max_bytes: int
    def __init__(self, max_in_flight: _Optional[int] = ..., max_bytes: _Optional[int] = ...) -> None: ...

class ClientMessage(_message.Message):
    __slots__ = ("hello", "frame", "local_result", "stats", "ack", "bye")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    LOCAL_RESULT_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    ACK_FIELD_NUMBER: _ClassVar[int]
    BYE_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    frame: Frame
    local_result: LocalResult
    stats: ClientStats
    ack: ControlAck
    bye: Bye
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping[str, object]]] = ..., frame: _Optional[_Union[Frame, _Mapping[str, object]]] = ..., local_result: _Optional[_Union[LocalResult, _Mapping[str, object]]] = ..., stats: _Optional[_Union[ClientStats, _Mapping[str, object]]] = ..., ack: _Optional[_Union[ControlAck, _Mapping[str, object]]] = ..., bye: _Optional[_Union[Bye, _Mapping[str, object]]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "device_id", "model", "fallbacks", "fps", "deadline_ms", "resume_token", "unanswered")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    DEVICE_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    FALLBACKS_FIELD_NUMBER: _ClassVar[int]
    FPS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNANSWERED_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    device_id: str
    model: str
    fallbacks: _containers.RepeatedScalarFieldContainer[str]
    fps: float
    deadline_ms: int
    resume_token: bytes
    unanswered: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, protocol: _Optional[int] = ..., device_id: _Optional[str] = ..., model: _Optional[str] = ..., fallbacks: _Optional[_Iterable[str]] = ..., fps: _Optional[float] = ..., deadline_ms: _Optional[int] = ..., resume_token: _Optional[bytes] = ..., unanswered: _Optional[_Iterable[int]] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("seq", "client_ts_us", "deadline_ms", "format", "width", "height", "rotation", "data")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TS_US_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ROTATION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    seq: int
    client_ts_us: int
    deadline_ms: int
    format: PixelFormat
    width: int
    height: int
    rotation: int
    data: bytes
    def __init__(self, seq: _Optional[int] = ..., client_ts_us: _Optional[int] = ..., deadline_ms: _Optional[int] = ..., format: _Optional[_Union[PixelFormat, str]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., rotation: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class LocalResult(_message.Message):
    __slots__ = ("seq", "client_ts_us", "model", "label", "score", "infer_us")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TS_US_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    INFER_US_FIELD_NUMBER: _ClassVar[int]
    seq: int
    client_ts_us: int
    model: str
    label: str
    score: float
    infer_us: int
    def __init__(self, seq: _Optional[int] = ..., client_ts_us: _Optional[int] = ..., model: _Optional[str] = ..., label: _Optional[str] = ..., score: _Optional[float] = ..., infer_us: _Optional[int] = ...) -> None: ...

class ClientStats(_message.Message):
    __slots__ = ("rtt_p50_us", "rtt_p95_us", "network_p50_us", "network_p95_us", "skipped", "local", "battery", "thermal", "link", "metered")
    RTT_P50_US_FIELD_NUMBER: _ClassVar[int]
    RTT_P95_US_FIELD_NUMBER: _ClassVar[int]
    NETWORK_P50_US_FIELD_NUMBER: _ClassVar[int]
    NETWORK_P95_US_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    LOCAL_FIELD_NUMBER: _ClassVar[int]
    BATTERY_FIELD_NUMBER: _ClassVar[int]
    THERMAL_FIELD_NUMBER: _ClassVar[int]
    LINK_FIELD_NUMBER: _ClassVar[int]
    METERED_FIELD_NUMBER: _ClassVar[int]
    rtt_p50_us: int
    rtt_p95_us: int
    network_p50_us: int
    network_p95_us: int
    skipped: int
    local: int
    battery: float
    thermal: str
    link: str
    metered: bool
    def __init__(self, rtt_p50_us: _Optional[int] = ..., rtt_p95_us: _Optional[int] = ..., network_p50_us: _Optional[int] = ..., network_p95_us: _Optional[int] = ..., skipped: _Optional[int] = ..., local: _Optional[int] = ..., battery: _Optional[float] = ..., thermal: _Optional[str] = ..., link: _Optional[str] = ..., metered: _Optional[bool] = ...) -> None: ...

class ControlAck(_message.Message):
    __slots__ = ("reported", "refused")
    class ReportedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class RefusedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REPORTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    reported: _containers.ScalarMap[str, str]
    refused: _containers.ScalarMap[str, str]
    def __init__(self, reported: _Optional[_Mapping[str, str]] = ..., refused: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Bye(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: str
    def __init__(self, reason: _Optional[str] = ...) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("welcome", "result", "hint", "model_changed", "desired", "go_away", "grant")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    MODEL_CHANGED_FIELD_NUMBER: _ClassVar[int]
    DESIRED_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    result: Result
    hint: Hint
    model_changed: ModelChanged
    desired: Desired
    go_away: GoAway
    grant: Grant
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping[str, object]]] = ..., result: _Optional[_Union[Result, _Mapping[str, object]]] = ..., hint: _Optional[_Union[Hint, _Mapping[str, object]]] = ..., model_changed: _Optional[_Union[ModelChanged, _Mapping[str, object]]] = ..., desired: _Optional[_Union[Desired, _Mapping[str, object]]] = ..., go_away: _Optional[_Union[GoAway, _Mapping[str, object]]] = ..., grant: _Optional[_Union[Grant, _Mapping[str, object]]] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("session_id", "resume_token", "resume_ttl_ms", "model", "credit", "resumed", "limits")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESUME_TTL_MS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    resume_token: bytes
    resume_ttl_ms: int
    model: Model
    credit: int
    resumed: bool
    limits: Limits
    def __init__(self, session_id: _Optional[str] = ..., resume_token: _Optional[bytes] = ..., resume_ttl_ms: _Optional[int] = ..., model: _Optional[_Union[Model, _Mapping[str, object]]] = ..., credit: _Optional[int] = ..., resumed: _Optional[bool] = ..., limits: _Optional[_Union[Limits, _Mapping[str, object]]] = ...) -> None: ...

class Result(_message.Message):
    __slots__ = ("seq", "client_ts_us", "status", "reason", "faces", "durations", "model", "model_version", "credit", "queue_depth")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATUS_UNSPECIFIED: _ClassVar[Result.Status]
        OK: _ClassVar[Result.Status]
        NO_FACE: _ClassVar[Result.Status]
        DROPPED_NEWER: _ClassVar[Result.Status]
        DROPPED_DEADLINE: _ClassVar[Result.Status]
        REJECTED_BUSY: _ClassVar[Result.Status]
        BAD_INPUT: _ClassVar[Result.Status]
        MODEL_GONE: _ClassVar[Result.Status]
        NOT_STORED: _ClassVar[Result.Status]
    STATUS_UNSPECIFIED: Result.Status
    OK: Result.Status
    NO_FACE: Result.Status
    DROPPED_NEWER: Result.Status
    DROPPED_DEADLINE: Result.Status
    REJECTED_BUSY: Result.Status
    BAD_INPUT: Result.Status
    MODEL_GONE: Result.Status
    NOT_STORED: Result.Status
    SEQ_FIELD_NUMBER: _ClassVar[int]
    CLIENT_TS_US_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    DURATIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    QUEUE_DEPTH_FIELD_NUMBER: _ClassVar[int]
    seq: int
    client_ts_us: int
    status: Result.Status
    reason: str
    faces: _containers.RepeatedCompositeFieldContainer[Face]
    durations: Durations
    model: str
    model_version: str
    credit: int
    queue_depth: int
    def __init__(self, seq: _Optional[int] = ..., client_ts_us: _Optional[int] = ..., status: _Optional[_Union[Result.Status, str]] = ..., reason: _Optional[str] = ..., faces: _Optional[_Iterable[_Union[Face, _Mapping[str, object]]]] = ..., durations: _Optional[_Union[Durations, _Mapping[str, object]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., credit: _Optional[int] = ..., queue_depth: _Optional[int] = ...) -> None: ...

class Face(_message.Message):
    __slots__ = ("box", "found", "label", "score", "scores")
    BOX_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    box: Box
    found: float
    label: str
    score: float
    scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, box: _Optional[_Union[Box, _Mapping[str, object]]] = ..., found: _Optional[float] = ..., label: _Optional[str] = ..., score: _Optional[float] = ..., scores: _Optional[_Iterable[float]] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("x", "y", "w", "h")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    W_FIELD_NUMBER: _ClassVar[int]
    H_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    w: float
    h: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., w: _Optional[float] = ..., h: _Optional[float] = ...) -> None: ...

class Durations(_message.Message):
    __slots__ = ("recv_to_queue_us", "queue_us", "decode_us", "infer_us", "post_us", "commit_us", "send_wait_us")
    RECV_TO_QUEUE_US_FIELD_NUMBER: _ClassVar[int]
    QUEUE_US_FIELD_NUMBER: _ClassVar[int]
    DECODE_US_FIELD_NUMBER: _ClassVar[int]
    INFER_US_FIELD_NUMBER: _ClassVar[int]
    POST_US_FIELD_NUMBER: _ClassVar[int]
    COMMIT_US_FIELD_NUMBER: _ClassVar[int]
    SEND_WAIT_US_FIELD_NUMBER: _ClassVar[int]
    recv_to_queue_us: int
    queue_us: int
    decode_us: int
    infer_us: int
    post_us: int
    commit_us: int
    send_wait_us: int
    def __init__(self, recv_to_queue_us: _Optional[int] = ..., queue_us: _Optional[int] = ..., decode_us: _Optional[int] = ..., infer_us: _Optional[int] = ..., post_us: _Optional[int] = ..., commit_us: _Optional[int] = ..., send_wait_us: _Optional[int] = ...) -> None: ...

class Hint(_message.Message):
    __slots__ = ("target_fps", "jpeg_quality", "max_side", "reason", "valid_ms")
    TARGET_FPS_FIELD_NUMBER: _ClassVar[int]
    JPEG_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VALID_MS_FIELD_NUMBER: _ClassVar[int]
    target_fps: float
    jpeg_quality: int
    max_side: int
    reason: str
    valid_ms: int
    def __init__(self, target_fps: _Optional[float] = ..., jpeg_quality: _Optional[int] = ..., max_side: _Optional[int] = ..., reason: _Optional[str] = ..., valid_ms: _Optional[int] = ...) -> None: ...

class ModelChanged(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping[str, object]]] = ...) -> None: ...

class Desired(_message.Message):
    __slots__ = ("values",)
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.ScalarMap[str, str]
    def __init__(self, values: _Optional[_Mapping[str, str]] = ...) -> None: ...

class GoAway(_message.Message):
    __slots__ = ("cause", "reconnect_after_ms", "reason")
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[GoAway.Cause]
        REPLACED: _ClassVar[GoAway.Cause]
        SHUTTING_DOWN: _ClassVar[GoAway.Cause]
        TOO_SLOW: _ClassVar[GoAway.Cause]
    CAUSE_UNSPECIFIED: GoAway.Cause
    REPLACED: GoAway.Cause
    SHUTTING_DOWN: GoAway.Cause
    TOO_SLOW: GoAway.Cause
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_AFTER_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    cause: GoAway.Cause
    reconnect_after_ms: int
    reason: str
    def __init__(self, cause: _Optional[_Union[GoAway.Cause, str]] = ..., reconnect_after_ms: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Grant(_message.Message):
    __slots__ = ("credit",)
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    credit: int
    def __init__(self, credit: _Optional[int] = ...) -> None: ...
