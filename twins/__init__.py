"""Device twins: what was asked of a device and what it said. Pure: no clock, socket, file, log or `await`.

    twins = Twins()
    instructions = twins.handle(stimulus)      # typed stimulus in, typed instructions out

May import only the standard library, msgspec, and nothing else of ours. `exchange` holds the structs that cross rims.
"""
