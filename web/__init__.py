"""HTTP API, live WebSocket and the console page. May import `twins` and `runtime`; no other rim.

The gateway hands in what it can show and do (`web.ports`) and runs the server:

    web = Web(config.web, console, commands, sql, pictures, clock, registry)
    async with asyncio.TaskGroup() as group:
        group.create_task(web.run(), name="web")
"""
