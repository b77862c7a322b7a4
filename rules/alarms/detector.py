"""An alarm as a detector: six states, commands as facts, and what is told at each way between them.

Theory of operation
-------------------
The states are those of AWS IoT Events. An alarm *stands* in Active and Acknowledged. It is raised on each way into
these, told by `raised`, and it is cleared on each way out, told by `cleared`, whatever ended it: so for each key the
two alternate. `order.WAYS` says where commands lead; conditions do the rest:

    Normal, Latched      the condition holds (for `for`)         Active
    Active, Acknowledged it is over (for `clearFor`)             Normal, or Latched by `latch`
    SnoozeDisabled       its time is over                        Normal, or Latched where it came from a latch

A command is a fact of the input `alarm_command`: nobody but the gateway can report its property. After a way into
Normal or Latched that a command or the end of a snooze led to, a timer of 10 ms looks at the condition anew: a door
that is open sends no second message.

The bound of flapping: while the alarm was raised as often as is allowed, its condition cannot clear it; a timer that
began with the first of these ends that.
"""

from __future__ import annotations

from rules.alarms import order, variables
from rules.alarms.condition import pair
from rules.alarms.order import STANDING, StateName
from rules.alarms.variables import COUNT, ESCALATE, FLAP, LATCHED, LEVEL, LOOK, LOW, RAISES, REPEAT, SEVERITY, SNOOZE
from rules.manifest.action import Action, Actions, NoticeAction, TimerAction, What
from rules.manifest.alarm import PREFIX, Alarm
from rules.manifest.detector import Detector, Events, OnInput, Spec, State, Step, Transition
from rules.manifest.form import Metadata
from rules.manifest.input import Input
from rules.manifest.migration import Names
from twins.duration import Duration

_TOLD: dict[order.Command, What] = {
    "acknowledge": "acknowledged",
    "snooze": "snoozed",
    "disable": "disabled",
    "enable": "enabled",
    "reset": "reset",
}
_GONE = {"Acknowledged": "Active", "Latched": "Normal"}
"""Where an alarm goes on whose state another manifest has not: what stands goes on standing."""
_AGAIN = 0.01


def name(alarm: str) -> str:
    """The id of the detector of the alarm `namespace/name`."""
    namespace, _, own = alarm.rpartition("/")
    return f"{namespace}/{PREFIX}{own}"


def command_property(alarm: str) -> str:
    """The property of the facts that are commands. No door lets a device report a name with a NUL in it."""
    return f"command to {alarm}\0"


def detector(alarm: Alarm) -> Detector:
    """The detector of an alarm that has passed `lint.check`."""
    return _Compiler(alarm).detector()


class _Compiler:
    """Puts the parts of one alarm's detector together."""

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm
        self._spec = spec = alarm.spec
        self._raised, self._cleared = pair(spec.condition)
        self._calm = "" if spec.flapping is None else f" && {RAISES} < {float(spec.flapping.raises)}"

    def detector(self) -> Detector:
        alarm, spec = self._alarm, self._spec
        commands = Input(property=command_property(alarm.id), device="*/*", type="string")
        metadata, states = alarm.metadata, self._states()
        return Detector(
            Metadata(f"{PREFIX}{metadata.name}", metadata.namespace, metadata.labels, metadata.annotations),
            Spec(
                initial="Disabled" if spec.start_disabled else "Normal",
                inputs={**spec.inputs, variables.INPUT: commands},
                states=states,
                description=spec.description,
                key=spec.key,
                variables=variables.initial(spec.severity),
                windows=spec.windows,
                migration="map",
                map=Names(states={gone: to for gone, to in _GONE.items() if gone not in states}),
            ),
        )

    def _states(self) -> dict[str, State]:
        found: dict[str, State] = {each: self._state(each) for each in order.STATES}
        if not self._spec.acknowledge:
            del found["Acknowledged"]
        if not self._spec.latch:
            del found["Latched"]
        return found

    def _state(self, state: StateName) -> State:
        arrows = (*self._commanded(state), *self._led(state))
        ended = [REPEAT] * bool(self._spec.repeat) if state == "Active" else []
        ended += [f"{ESCALATE}{at}" for at in range(len(self._spec.escalate))] if state == "Active" else []
        ended += [SNOOZE] if state == "SnoozeDisabled" else []
        gone = tuple(Action(clear=timer) for timer in ended)
        leaving = (Step("leave", do=gone),) if gone else ()
        return State(Events(self._begun(state)), OnInput(self._steps(state), arrows), Events(leaving))

    def _begun(self, state: StateName) -> tuple[Step, ...]:
        """The time that bounds flapping begins with the first raise of it."""
        bound = self._spec.flapping
        if bound is None or state != "Active":
            return ()
        return (Step("bound", f"{RAISES} == 1.0", (_timer(FLAP, bound.within),)),)

    # -- what stays in a state ----------------------------------------------------------------------------------------

    def _steps(self, state: StateName) -> tuple[Step, ...]:
        steps: list[Step] = []
        if self._spec.flapping is not None:
            steps.append(Step("calm", f'timeout("{FLAP}")', (Action(assign={RAISES: "0.0"}),)))
        if state in STANDING:
            more = Action(assign={LOW: "false", COUNT: f"{COUNT} + 1.0"})
            steps.append(Step("again", f"{LOW} && ({self._raised})", (more,)))
            steps.append(Step("low", f"!{LOW} && !({self._raised})", (Action(assign={LOW: "true"}),)))
        if state == "Active":
            steps += [self._escalation(at) for at in range(len(self._spec.escalate))]
            if self._spec.repeat is not None:
                reminded = (self._notice("reminded", "Active"), _timer(REPEAT, self._spec.repeat))
                steps.append(Step("remind", f'timeout("{REPEAT}")', reminded))
        return tuple(steps)

    def _escalation(self, at: int) -> Step:
        each = self._spec.escalate[at]
        changed = {LEVEL: f"{LEVEL} + 1.0"}
        if each.severity is not None:
            changed[SEVERITY] = f'"{each.severity}"'
        do = (Action(assign=changed), self._notice("escalated", "Active"), *each.do, *self._spec.on_escalate)
        return Step(f"escalate {at + 1}", f'timeout("{ESCALATE}{at}")', do)

    # -- ways between states ------------------------------------------------------------------------------------------

    def _commanded(self, state: StateName) -> list[Transition]:
        arrows: list[Transition] = []
        for command, to in order.ways(self._spec, state).items():
            when = order.given(command)
            if command == "enable" and state == "SnoozeDisabled" and self._spec.latch:
                arrows.append(self._arrow(state, "Latched", command, f"{when} && {LATCHED}", name="enable latched"))
            arrows.append(self._arrow(state, to, command, when))
        return arrows

    def _arrow(
        self, state: StateName, to: StateName, command: order.Command, when: str, *, name: str = ""
    ) -> Transition:
        do: list[Action] = []
        if command == "snooze":
            if state != "SnoozeDisabled":
                latched = state == "Latched" or (state in STANDING and self._ended(state) == "Latched")
                do.append(Action(assign={LATCHED: str(latched).lower()}))
            do.append(_timer(SNOOZE, self._spec.snooze))
        do.append(self._notice(_TOLD[command], to))
        if command == "acknowledge":
            do += self._spec.on_acknowledge
        if state in STANDING and to not in STANDING:
            do += self._over(to)
        if to in ("Normal", "Latched"):
            do.append(_timer(LOOK, _AGAIN))
        return Transition(to, name or command, when, do=tuple(do))

    def _led(self, state: StateName) -> list[Transition]:
        """The ways that conditions lead."""
        spec = self._spec
        match state:
            case "Normal" | "Latched":
                return [Transition("Active", "raise", self._raised, spec.hold, self._up())]
            case "Active" | "Acknowledged":
                to = self._ended(state)
                return [Transition(to, "clear", f"({self._cleared}){self._calm}", spec.clear_for, self._over(to))]
            case "SnoozeDisabled":
                over = f'timeout("{SNOOZE}")'
                latched = [self._wake("Latched", "wake latched", f"{over} && {LATCHED}")] if spec.latch else []
                return [*latched, self._wake("Normal", "wake", over)]
            case _:
                return []

    def _wake(self, to: StateName, name: str, when: str) -> Transition:
        return Transition(to, name, when, do=(self._notice("enabled", to), _timer(LOOK, _AGAIN)))

    def _ended(self, state: StateName) -> StateName:
        """Where an alarm goes when its condition is over."""
        latch = self._spec.latch
        return "Latched" if latch is True or (latch and state == "Active") else "Normal"

    def _up(self) -> Actions:
        spec = self._spec
        fresh = {SEVERITY: f'"{spec.severity}"', LEVEL: "0.0", COUNT: "1.0", LOW: "false", LATCHED: "false"}
        do: list[Action] = [Action(assign=fresh | {RAISES: f"{RAISES} + 1.0"}), self._notice("raised", "Active")]
        do += [_timer(f"{ESCALATE}{at}", each.after) for at, each in enumerate(spec.escalate)]
        if spec.repeat is not None:
            do.append(_timer(REPEAT, spec.repeat))
        return (*do, *spec.on_raise)

    def _over(self, to: StateName) -> Actions:
        return (self._notice("cleared", to), *self._spec.on_clear)

    def _notice(self, what: What, state: StateName) -> Action:
        return Action(notice=NoticeAction(what, state, self._spec.message if what == "raised" else None))


def _timer(name: str, length: Duration) -> Action:
    return Action(timer=TimerAction(name, after=length) if isinstance(length, str) else TimerAction(name, length))
