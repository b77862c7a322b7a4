"""One detector at work: its state graph, and the evaluation of one instance.

Theory of operation
-------------------
The graph of a detector is one synchronous `transitions.Machine` without models. Each arrow of the manifest is one
event of that machine; an instance is a slotted `Record` handed to `events[name].trigger(record, turn)`, which moves
`record.state` and calls back on leaving and entering. The callbacks only collect instructions in the `Turn`.

An input (or a due timer) is one evaluation of one instance, in this order:

1.  The input's value is stored; a fact that cannot be read by the input's type makes the value unknown.
2.  A new instance is in the initial state and runs that state's `onEnter` events first.
3.  `onInput.events` of the current state. *Batch*: all their conditions are evaluated against the values as they are
    now, then the actions of those that held run in order. So no event sees what another event of the same list did.
    *Serial* (`evaluation: serial`): event by event, condition and actions, so each sees what those above it did.
4.  `onInput.transitions`, in order; conditions see the variables that step 3 changed. The first that holds is taken:
    `onExit` of the old state, the transition's own actions, `onEnter` of the new state, each list as in step 3.
    A transition back to the same state leaves and enters it.
5.  The evaluation ends. No second state is evaluated with the same input.

A condition without a usable value (missing, wrong type, NaN, not a boolean) is false, counted, and told in `explain`.
A transition with `for` starts a hidden timer when its condition begins to hold, takes it back when an evaluation finds
that it does not, and is taken when that timer is due and the condition holds still; meanwhile later transitions may
be taken. Named timers live across states until they are due or cleared; those of `for` end with their state.

Timers are deadlines in *steady* time, which the sequencer gives beside the wall clock's and no jump of that touches. An
instance's overdue timers are evaluated before its next input, so a gateway that is late with them, or was down, decides
in the same order as one that is not. A schedule is due in wall time, and is an evaluation of every instance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.actions.catalogue import awaited
from rules.explain import Story
from rules.expression import Expression, Scope, Template, Undecided
from rules.instance import Record
from rules.instructions import Instruction
from rules.lint.plan import plan
from rules.lint.walk import uses
from rules.manifest.detector import Detector
from rules.manifest.form import InputType, Scalar
from rules.manifest.schedule import AT
from rules.past.call import Call
from rules.past.past import Past
from rules.quarantine import Quarantine
from rules.schedule import Agenda
from rules.state import HOLD, Arrow, State, Step
from rules.turn import Turn
from rules.window import Hours
from twins.values import device_id

TYPES: dict[InputType, type] = {"number": float, "boolean": bool, "string": str}

if TYPE_CHECKING:
    from transitions import Event, EventData


class Machine:
    """One detector: `records` are its instances by key. The detector must have passed `lint.check`.

    `types` are those of inputs and variables by name, `clocks` the timers that an instance may have in a state.
    """

    def __init__(self, detector: Detector, scope: Scope, zone: str, history: int = 64) -> None:
        self.detector = detector
        self.id = detector.id
        self.records: dict[str, Record] = {}
        self.story = Story(history)
        self.quarantine = Quarantine()
        self.broken = ""
        """The error of ours that the last evaluation ended with; empty for none."""
        self.states: dict[str, State] = {
            name: State(name, state, detector.metadata.namespace, dry=detector.spec.dry_run)
            for name, state in detector.spec.states.items()
        }
        self._awaited = {
            action.label: action
            for state in self.states.values()
            for step in state.steps()
            for each in step.do
            if (action := awaited(each)) is not None and action.otherwise
        }
        self.plan = plan(detector)
        self.clocks = {name: state.holds | self.plan.late.keys() for name, state in self.states.items()}
        self.types = {name: TYPES[given.type] for name, given in detector.spec.inputs.items()}
        self.types |= {name: type(value) for name, value in self.variables().items()}
        self._scope = scope
        self.agenda = Agenda(detector, zone)
        self._run = _serially if detector.spec.evaluation == "serial" else _together
        self._windows = {name: Hours(window, zone) for name, window in detector.spec.windows.items()}
        self.peers = {
            name: given.detector if "/" in given.detector else device_id(detector.metadata.namespace, given.detector)
            for name, given in detector.spec.inputs.items()
            if given.detector is not None
        }
        """Detectors whose states are inputs, by the inputs' names."""
        self._titles = {name: given.title() for name, given in detector.spec.inputs.items()}
        self.calls = _calls(detector)
        """What instances have to remember of their inputs."""
        self._join()

    def create(self, key: str, now: int) -> Record:
        """A new instance, not yet evaluated and not yet among `records`."""
        record = Record(key, self.detector.spec.initial, now, self.variables())
        if self.calls:
            record.past = Past()
            record.past.ask(self.calls)
        return record

    def variables(self) -> dict[str, Scalar]:
        """The variables as they begin; numbers are doubles."""
        return {name: _plain(value) for name, value in self.detector.spec.variables.items()}

    def take(
        self,
        record: Record,
        name: str,
        value: Scalar | None,
        said: str,
        device: str,
        cause: str,
        now: int,
        steady: int,
        at: int = 0,
    ) -> list[Instruction]:
        """Evaluate an input; `value` is `None` when it cannot be read as it came, `said`. `at` is its fact's time."""
        if value is None:
            record.values.pop(name, None)
        else:
            record.values[name] = value
            if record.past is not None:
                record.past.note(name, value, now)
        record.device = device
        turn = self._turn(record, name, name, "", cause, now, steady, at)
        title = self._titles[name]
        turn.source = "" if title.startswith("\0") else f"{device}/{title}"  # a command to an alarm is no property
        turn.value = value
        if value is None:
            turn.scope.unread = said
        return self._evaluate(turn)

    def strike(self, record: Record, name: str, due: int, cause: str, now: int, steady: int) -> list[Instruction]:
        """Evaluate a schedule that is due."""
        return self._evaluate(self._turn(record, "", f"schedule {name}@{due}", f"{AT}{name}", cause, now, steady))

    def expire(self, record: Record, timer: str, cause: str, now: int, steady: int) -> list[Instruction]:
        """Evaluate a timer that is due."""
        turn = self._turn(record, "", f"timer {timer}@{record.timers[timer]}", timer, cause, now, steady)
        if not timer.startswith(HOLD):  # those are cleared where their condition is looked at
            turn.clear(timer)
        return self._evaluate(turn)

    def fail(self, record: Record, label: str, asked: str, cause: str, now: int, steady: int) -> list[Instruction]:
        """What was asked of a device, `device/property`, was not reported in time: do what is said for that, then
        evaluate. Where the manifest changed meanwhile and asks for something else at `label`, nothing is said for it.
        """
        namespace, own, name = asked.split("/", 2)
        turn = self._turn(record, "", f"silence of {namespace}/{own}@{label}", "", cause, now, steady, now)
        action = self._awaited.get(label)
        for each in action.otherwise if action is not None and action.property == name else ():
            each.perform(turn)
        return self._evaluate(turn)

    def _turn(
        self, record: Record, name: str, trigger: str, timer: str, cause: str, now: int, steady: int, at: int = 0
    ) -> Turn:
        scope = self._scope
        scope.values = record.values
        scope.past = record.past
        scope.windows = self._windows
        scope.device = record.device
        scope.input = name
        scope.key = record.key
        scope.timer = timer
        scope.unread = None
        scope.now = now
        return Turn(self.id, record, scope, self.plan, trigger=trigger, cause=cause, now=now, steady=steady, at=at)

    def _evaluate(self, turn: Turn) -> list[Instruction]:
        """What was collected holds, also when an evaluation fails half way: so memory and disk say the same."""
        self.broken = ""
        try:
            self._decide(turn)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one rule must not stop the others
            self.broken = f"{type(error).__name__}: {error}"[:200]
            turn.fault(self.id, turn.trigger, Undecided(self.broken))
        evaluation = turn.finish()
        self.story.add(evaluation)
        return turn.out

    def _decide(self, turn: Turn) -> None:
        record = turn.record
        if record.key not in self.records:
            self.records[record.key] = record
            self._run(self.states[record.state].enter, turn)
        self._run(self.states[record.state].events, turn)
        for arrow, event in self._paths[record.state]:
            if _ready(arrow, turn):
                event.trigger(record, turn)
                break

    def _join(self) -> None:
        """Build the graph."""
        from transitions import Machine as Graph  # only needed once there is a rule

        graph = Graph(
            model=None,
            states=[{"name": name, "on_exit": [self._leave], "on_enter": [self._enter]} for name in self.states],
            initial=self.detector.spec.initial,
            auto_transitions=False,
            send_event=True,
        )
        self._arrows: dict[str, Arrow] = {}
        self._paths: dict[str, list[tuple[Arrow, Event]]] = {name: [] for name in self.states}
        for source, state in self.states.items():
            for at, arrow in enumerate(state.arrows):
                name = f"{source}[{at}]"
                graph.add_transition(name, source, arrow.to)
                self._paths[source].append((arrow, graph.events[name]))
                self._arrows[name] = arrow

    def _leave(self, data: EventData) -> None:
        """Leave `data.state`: its exit events, its pending debounces, then the transition's own actions."""
        turn = _of(data)
        arrow = self._arrows[data.event.name]
        before = turn.record.state
        turn.decide(arrow.name, before, arrow.to)
        self._run(self.states[before].exit, turn)
        for timer in [name for name in turn.record.timers if name.startswith(HOLD)]:
            turn.clear(timer)
        for action in arrow.do:
            action.perform(turn)

    def _enter(self, data: EventData) -> None:
        turn = _of(data)
        turn.record.since = turn.now
        self._run(self.states[turn.record.state].enter, turn)


def _calls(detector: Detector) -> frozenset[Call]:
    """The functions of the past that its expressions call."""
    found: set[Call] = set()
    for use in uses(detector):
        expressions = Template(use.source).expressions if use.role == "text" else [Expression(use.source)]
        found |= {call for expression in expressions for call in expression.past}
    return frozenset(found)


def _ready(arrow: Arrow, turn: Turn) -> bool:
    holds = turn.holds(arrow.label, arrow.when)
    if not arrow.hold:
        return holds
    if not holds:
        turn.clear(arrow.timer)
        return False
    due = turn.record.timers.get(arrow.timer)
    if due is None:
        turn.arm(arrow.timer, arrow.hold)
        return False
    return due <= turn.steady


def _together(steps: list[Step], turn: Turn) -> None:
    """A batch: first all conditions, then the actions of those that hold."""
    if steps:
        for step in [each for each in steps if turn.holds(each.label, each.when)]:
            _do(step, turn)


def _serially(steps: list[Step], turn: Turn) -> None:
    """One after the other: each condition sees what the events above it did."""
    for step in steps:
        if turn.holds(step.label, step.when):
            _do(step, turn)


def _do(step: Step, turn: Turn) -> None:
    state = turn.record.state
    if step.do:
        turn.decide(step.name, state, state)
    for action in step.do:
        action.perform(turn)


def _of(data: EventData) -> Turn:
    turn = next(iter(data.args))
    assert isinstance(turn, Turn)
    return turn


def _plain(value: Scalar) -> Scalar:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
