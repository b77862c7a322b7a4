"""Alarms: an `Alarm` is compiled to a `Detector`, so that state, timers, explanations and diagrams are those of rules.

detector(alarm)                      the detector, `namespace/alarm:name`
order("acknowledge", who="anna")     a command, as the text of a fact that the detector takes
refusal(alarm, state, order)         why a command makes no sense now; empty when it does
"""
