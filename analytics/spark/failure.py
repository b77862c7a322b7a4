"""Batch and learning: from uploaded points a model of who will fail within ten minutes, exported as a package.

    python failure.py UPLOADED/points PACKAGE

Features are the last ten minutes of a press; presses with an even number teach, the others examine. The package is
`model.onnx` (features in, risk out, scaling included), which OpenVINO runs as it is, and `package.json`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as f
from session import points, session

FEATURES = ("vibration_mean", "vibration_max", "vibration_spread", "temperature_mean", "current_mean")
AHEAD = 600
"""Seconds ahead in which a failure counts."""


def features(source: DataFrame) -> DataFrame:
    """One row a press and minute: features of the ten minutes before, and whether it fails in the ten after."""
    minute = f.window("time", "10 minutes", "1 minute").alias("span")
    wide = (
        source.where("property IN ('vibration', 'temperature', 'current', 'failed')")
        .groupBy("device", minute)
        .pivot("property", ["vibration", "temperature", "current", "failed"])
        .agg(f.mean("value").alias("mean"), f.max("value").alias("max"), f.stddev_pop("value").alias("spread"))
        .withColumn("end", f.col("span.end").cast("long"))
    )
    after = Window.partitionBy("device").orderBy("end").rangeBetween(1, AHEAD)
    return (
        wide.withColumn("label", f.max("failed_max").over(after))
        .where("failed_max = 0 AND label IS NOT NULL")
        .select("device", "end", *FEATURES, "label")
        .na.drop()
    )


def main(source: str, package: str) -> None:
    spark = session("failure")
    rows = features(points(spark, source)).withColumn("odd", f.regexp_extract("device", r"(\d+)$", 1).cast("int") % 2)
    rows = rows.cache()
    taught, examined = rows.where("odd = 0"), rows.where("odd = 1")
    stages = [
        VectorAssembler(inputCols=list(FEATURES), outputCol="raw"),
        StandardScaler(inputCol="raw", outputCol="features", withMean=True),
        LogisticRegression(regParam=0.01, maxIter=100),
    ]
    model = Pipeline(stages=stages).fit(taught)
    said = model.transform(examined)
    area = BinaryClassificationEvaluator().evaluate(said)
    scaler, logistic = model.stages[1], model.stages[2]
    weights = logistic.coefficients.toArray() / scaler.std.toArray()
    bias = logistic.intercept - float(weights @ scaler.mean.toArray())
    samples = said.select(*FEATURES, "probability").limit(100).collect()
    example = {
        "features": [[row[name] for name in FEATURES] for row in samples],
        "risk": [float(row["probability"][1]) for row in samples],
    }
    metrics = {"area_under_roc": round(area, 4), "taught": taught.count(), "examined": examined.count()}
    export(Path(package), weights, bias, metrics, example)
    print(
        f"failure: taught by {metrics['taught']} rows, area under the curve {area:.3f} on {metrics['examined']} others"
    )


def export(folder: Path, weights: np.ndarray, bias: float, metrics: dict[str, float], example: dict[str, list]) -> None:
    """Write the package: the model, what it takes and gives, how good it is, and rows to check it by."""
    folder.mkdir(parents=True, exist_ok=True)
    constants = [
        numpy_helper.from_array(weights.astype(np.float32).reshape(-1, 1), "weights"),
        numpy_helper.from_array(np.array([bias], np.float32), "bias"),
    ]
    nodes = [
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["risk"]),
    ]
    takes = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(FEATURES)])
    gives = helper.make_tensor_value_info("risk", TensorProto.FLOAT, ["n", 1])
    graph = helper.make_graph(nodes, "failure-risk", [takes], [gives], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(made)
    onnx.save(made, folder / "model.onnx")
    (folder / "example.json").write_text(json.dumps(example), "utf-8")
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.onnx", "example.json")}
    about = {
        "name": "failure-risk",
        "version": datetime.now(UTC).strftime("%Y.%m.%d"),
        "task": "failure-risk",
        "format": "onnx",
        "inputs": [{"name": "features", "columns": FEATURES, "window": "10m", "every": "1m"}],
        "outputs": [{"name": "risk", "means": f"probability of a failure within {AHEAD} s"}],
        "metrics": metrics,
        "files": files,
    }
    (folder / "package.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:3])
