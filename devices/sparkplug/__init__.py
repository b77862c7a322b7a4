"""Sparkplug B 3.0: edge nodes and their devices, which tell at a birth what they are and then only what changes.

`payload.py` makes metrics of bytes and bytes of commands, `datatype.py` their values the text of twins; `sessions.py`
knows what each node said at its birth and reads its messages:

    heard = sessions.read("DDATA", Place("line-1", "press", "motor"), device, payload, Arrival(cause, seen, seq))

No I/O in here; `gateway/sparkplug.py` declares the devices, publishes commands and asks for births.
"""
