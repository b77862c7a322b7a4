"""Models and the engine that runs them: catalogue and depot, pictures, OpenVINO networks, pipelines, admission.

    inference = Inference(Depot(path), SystemClock())          # run() in a task group
    result = await inference.infer("persons", frame, deadline=0.2)

May import `twins` and `runtime`; no other rim. numpy, OpenVINO and Pillow are imported with the first pipeline.
"""
