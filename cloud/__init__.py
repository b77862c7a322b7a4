"""The link to the cloud: a real KubeEdge CloudCore takes this gateway for an edge node.

    cloud = CloudCore(config, identity, clock, manifests=recovered)  # `await cloud.run()` in a task
    async for change in cloud.changes(): ...                         # change.done() after the commit
    await cloud.push([report])                                       # returns when the cloud has confirmed
    await cloud.upload([("default/t1", b"hi")])                      # returns when the cloud has read it

`frames` is the wire format (sans-IO); `sync`, `catalog` and `manifest` decide (pure); `identity` owns key and
certificate; `link` is one connection, `line` the row of them. May import `twins` and `runtime`; no other rim.
"""
