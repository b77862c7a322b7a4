"""The cloud as any MQTT broker: the same sync, without a cluster.

    cloud = MqttCloud(config, twins, apply, delete, clock)       # `await cloud.run()` in a task
    async for change in cloud.changes(): ...                     # change.done(outcome=…) after the commit
    await cloud.push([report])                                   # returns when the broker has confirmed

`topics`, `events` (CloudEvents 1.0), `reports` and `orders` decide (pure); `session` is one connection.
"""
