"""KubeEdge's device management interface (`proto/dmi.proto`): mappers report over gRPC, the gateway calls them back.

    book = Book(twins.get)                 # what each mapper has to know; it hears of manifests and of commits
    door = MapperDoor(config, book, core.ask, registry.apply, clock, next_cause, note)
    await door.run()                       # until cancelled

`book`, `route`, `limits` and `wanted` are plain bookkeeping; `packing` and `convert` make messages of manifests,
`letters` what a mapper is told, `reports` stimuli of what it says; `service` is what mappers call, `courier` calls one
of them. Only `book`, `config` and `door` are imported at start: gRPC itself is loaded when the door runs.
"""
