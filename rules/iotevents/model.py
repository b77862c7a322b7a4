"""The models of AWS IoT Events as its API has them (version 2018-07-27), whole: a field that is not here is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

MOST = 128
"""Members of any list: the service's own quotas were 20 states with 10 events each."""
Title = Annotated[str, Meta(min_length=1, max_length=128)]
Formula = Annotated[str, Meta(min_length=1, max_length=1024)]
Condition = Annotated[str, Meta(max_length=512)]


class Node(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Root of these structs."""


class Payload(Node, frozen=True):
    content_expression: Annotated[str, Meta(min_length=1, max_length=2048)]
    type: Literal["STRING", "JSON"]


class SetVariable(Node, frozen=True):
    variable_name: Title
    value: Formula


class SetTimer(Node, frozen=True):
    timer_name: Title
    seconds: Annotated[int, Meta(ge=1, le=31_622_400)] | None = None
    duration_expression: Formula | None = None


class TimerName(Node, frozen=True):
    timer_name: Title


class Publish(Node, frozen=True):
    mqtt_topic: Title
    payload: Payload | None = None


class Sns(Node, frozen=True):
    target_arn: str
    payload: Payload | None = None


class Lambda(Node, frozen=True):
    function_arn: str
    payload: Payload | None = None


class Feed(Node, frozen=True):
    input_name: Title
    payload: Payload | None = None


class Sqs(Node, frozen=True):
    queue_url: str
    use_base64: bool | None = None
    payload: Payload | None = None


class Firehose(Node, frozen=True):
    delivery_stream_name: str
    separator: str | None = None
    payload: Payload | None = None


class DynamoDb(Node, frozen=True):
    table_name: str
    hash_key_field: str
    hash_key_value: str
    hash_key_type: str | None = None
    range_key_type: str | None = None
    range_key_field: str | None = None
    range_key_value: str | None = None
    operation: str | None = None
    payload_field: str | None = None
    payload: Payload | None = None


class DynamoDbV2(Node, frozen=True):
    table_name: str
    payload: Payload | None = None


class SiteWiseVariant(Node, frozen=True):
    string_value: str | None = None
    integer_value: str | None = None
    double_value: str | None = None
    boolean_value: str | None = None


class SiteWiseTime(Node, frozen=True):
    time_in_seconds: str
    offset_in_nanos: str | None = None


class SiteWiseValue(Node, frozen=True):
    value: SiteWiseVariant | None = None
    timestamp: SiteWiseTime | None = None
    quality: str | None = None


class SiteWise(Node, frozen=True):
    property_value: SiteWiseValue | None = None
    entry_id: str | None = None
    asset_id: str | None = None
    property_id: str | None = None
    property_alias: str | None = None


class Action(Node, frozen=True):
    """One of the fields is given."""

    set_variable: SetVariable | None = None
    set_timer: SetTimer | None = None
    reset_timer: TimerName | None = None
    clear_timer: TimerName | None = None
    iot_topic_publish: Publish | None = None
    sns: Sns | None = None
    lambda_: Lambda | None = field(default=None, name="lambda")
    iot_events: Feed | None = None
    sqs: Sqs | None = None
    firehose: Firehose | None = None
    dynamo_db: DynamoDb | None = field(default=None, name="dynamoDB")
    dynamo_db_v2: DynamoDbV2 | None = field(default=None, name="dynamoDBv2")
    iot_site_wise: SiteWise | None = None

    @property
    def given(self) -> list[str]:
        """The names of the fields that are given, as the API writes them."""
        names = zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True)
        return [written for name, written in names if getattr(self, name) is not None]


Actions = Annotated[tuple[Action, ...], Meta(max_length=MOST)]


class Event(Node, frozen=True):
    event_name: Title
    condition: Condition | None = None
    actions: Actions = ()


class Transition(Event, frozen=True, kw_only=True):
    """Here a condition is needed."""

    next_state: Title
    condition: Annotated[str, Meta(min_length=1, max_length=512)]


class Events(Node, frozen=True):
    events: Annotated[tuple[Event, ...], Meta(max_length=MOST)] = ()


class OnInput(Node, frozen=True):
    events: Annotated[tuple[Event, ...], Meta(max_length=MOST)] = ()
    transition_events: Annotated[tuple[Transition, ...], Meta(max_length=MOST)] = ()


class State(Node, frozen=True):
    state_name: Title
    on_input: OnInput = OnInput()
    on_enter: Events = Events()
    on_exit: Events = Events()


class Definition(Node, frozen=True):
    states: Annotated[tuple[State, ...], Meta(min_length=1, max_length=MOST)]
    initial_state_name: Title


class DetectorModel(Node, frozen=True):
    """What `create-detector-model` takes."""

    detector_model_name: Title
    detector_model_definition: Definition
    detector_model_description: str = ""
    key: Annotated[str, Meta(max_length=128)] | None = None
    evaluation_method: Literal["BATCH", "SERIAL"] = "BATCH"
    role_arn: str = ""
    tags: tuple[Any, ...] = ()


class SimpleRule(Node, frozen=True):
    input_property: Annotated[str, Meta(min_length=1, max_length=512)]
    comparison_operator: Literal["GREATER", "GREATER_OR_EQUAL", "LESS", "LESS_OR_EQUAL", "EQUAL", "NOT_EQUAL"]
    threshold: Annotated[str, Meta(min_length=1, max_length=512)]


class AlarmRule(Node, frozen=True):
    simple_rule: SimpleRule


class NotifyingFunction(Node, frozen=True):
    lambda_action: Lambda | None = None


class Notification(Node, frozen=True):
    action: NotifyingFunction | None = None
    sms_configurations: tuple[dict[str, Any], ...] = ()
    email_configurations: tuple[dict[str, Any], ...] = ()


class Notifications(Node, frozen=True):
    notification_actions: tuple[Notification, ...] = ()


class EventActions(Node, frozen=True):
    alarm_actions: Actions = ()


class AcknowledgeFlow(Node, frozen=True):
    enabled: bool


class Initialization(Node, frozen=True):
    disabled_on_initialization: bool


class Capabilities(Node, frozen=True):
    initialization_configuration: Initialization | None = None
    acknowledge_flow: AcknowledgeFlow | None = None


class AlarmModel(Node, frozen=True):
    """What `create-alarm-model` takes, and what `describe-alarm-model` adds to it."""

    alarm_model_name: Title
    alarm_rule: AlarmRule
    alarm_model_description: str = ""
    role_arn: str = ""
    tags: tuple[Any, ...] = ()
    key: Annotated[str, Meta(max_length=128)] | None = None
    severity: int | None = None
    alarm_notification: Notifications = Notifications()
    alarm_event_actions: EventActions = EventActions()
    alarm_capabilities: Capabilities = Capabilities()
    creation_time: Any = None
    alarm_model_arn: str = ""
    alarm_model_version: str = ""
    last_update_time: Any = None
    status: str = ""
    status_message: str = ""


class DetectorConfiguration(Node, frozen=True):
    """What `describe-detector-model` says beside the definition."""

    detector_model_name: Title
    detector_model_description: str = ""
    key: Annotated[str, Meta(max_length=128)] | None = None
    evaluation_method: Literal["BATCH", "SERIAL"] = "BATCH"
    role_arn: str = ""
    detector_model_version: str = ""
    detector_model_arn: str = ""
    creation_time: Any = None
    last_update_time: Any = None
    status: str = ""


class Described(Node, frozen=True):
    detector_model_definition: Definition
    detector_model_configuration: DetectorConfiguration
