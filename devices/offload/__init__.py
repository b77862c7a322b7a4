"""Phones that offload inference over gRPC (`proto/gemelo/offload/v1/offload.proto`).

    door = OffloadDoor(config, intake, detector, clock, next_cause)
    await door.run()                                    # until cancelled
    await door.actuate("default/phone-1", {"fps_cap": "5"})

`credit` (who may send, which frame is newest) and `resume` are pure; `session` is one stream; `server` is the door.
Only `server` and `config` are imported at start: gRPC itself is loaded when the door runs.
"""
