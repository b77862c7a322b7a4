"""Devices that know nothing of twins: what they publish, in whatever form, becomes reported properties.

`formats/` makes frames of bytes and knows nothing else; a `Mapping` (`manifest.py`) says which topics are heard and
what becomes of a frame; `Mappings` holds all of them and reads messages:

    mappings.apply("default/zigbee", manifest)
    updates = mappings.read("zigbee2mqtt/kitchen", b'{"temperature": 21.4}', cause, seen)

No I/O in here but for the door's: the link and the broker are in `devices/mqtt/`.
"""
