"""Decision rules as state machines. Pure, like `twins`, which it may import: no I/O, no clock, no log, no `await`.

A rule is a `Detector` manifest. `Rules` keeps one instance of it per key, takes facts and due timers, and returns
instructions; `transitions` and CEL are imported when the first detector is applied.

    rules = Rules(zone="Europe/Berlin")
    rules.apply(decode(yaml.safe_load(text)))
    for instruction in rules.handle(fact, now):
        ...
"""
