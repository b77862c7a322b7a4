"""Kubernetes' API over what the gateway knows: `kubectl --server http://127.0.0.1:10550` reads and writes the edge.

Theory of operation. The gateway hands in objects (`ports.Objects`) and says which changed (`Mirror.touch`). A `Mirror`
reads the changed ones when somebody asks, gives each change a version and keeps the newest changes of each resource
in a bounded `History`: lists and pages are its state at a version, watches follow it from a version, and whoever asks
for a version that is not kept any more is told 410, upon which Kubernetes' clients list again. Paths, shapes and words
are those of a kube-apiserver that serves KubeEdge's custom resources.

    api = EdgeApi(config, objects, clock, version="1.2.3", first=boot << 32)
    await api.run()                                     # and meanwhile
    api.mirror.touch("Device", "default/pump-1")        # for each that may have changed
"""
