"""What becomes of points as they come: pipelines, windows, alignment. Pure, like `twins`, which alone it imports.

A `Pipeline` tidies the points of a series before they are stored; a `Query` makes windows of them, or aligns several
series on one clock. Their results are series again. State that changed is written with the batch of the points that
changed it; CEL is imported when the first expression is applied.

    streams = Streams()
    streams.apply(decode(yaml.safe_load(text), Query, "query.yaml"), now)
    for result in streams.take(point, now, stored): ...
    written = streams.changes()
"""
