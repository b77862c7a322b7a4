"""The link to the cloud: a real KubeEdge CloudCore takes this gateway for an edge node.

    cloud = CloudCore(config, identity, clock, manifests=recovered)  # `await cloud.run()` in a task
    async for change in cloud.changes(): ...                         # change.done() after the commit
    await cloud.push([report])                                       # returns when the cloud has confirmed

`frames` is the wire format (sans-IO); `sync`, `catalog` and `manifest` decide (pure); `identity` owns key and
certificate; `link` is one connection. May import `twins` and `runtime`; no other rim.
"""
