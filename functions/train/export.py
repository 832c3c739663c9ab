"""From the trained network to one self-contained ONNX model, and the proof that both agree."""

import io
import os
import warnings

# Since 1.29 ONNX Runtime tells Microsoft about every session, unless this is set before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime
import torch

from failure import TrainingFailed
from model import Servable

INPUT_NAME = "image"
OUTPUT_NAME = "probabilities"
OPSET = 18
PARITY_TOLERANCE = 1e-4
PARITY_BATCHES = (1, 2, 7, 64)


def export(servable: Servable, example: torch.Tensor, name: str, description: str) -> bytes:
    """The network as an ONNX file: input `image`, output `probabilities`, any batch size.

    example: one image [1, channels, height, width]; name: the graph's name; description: one line,
    kept in the file. The weights are inside, and neither paths nor times: the same network gives
    the same bytes. Raises onnx.checker.ValidationError when torch made a graph that the standard
    does not allow.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # torch prefers its newer exporter (dynamo), which needs onnxscript; SageMaker's containers
        # have none, and a sequence of plain layers is traced just as well.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            servable.eval(),
            (example,),
            buffer,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_axes={INPUT_NAME: {0: "batch"}, OUTPUT_NAME: {0: "batch"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    model.doc_string = description
    model.graph.name = name
    for node in model.graph.node:
        # The tracer may leave source lines with this machine's paths.
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def predict(model: bytes, images: np.ndarray) -> np.ndarray:
    """ONNX Runtime's probabilities (float32 [n, classes]) for images (float32 [n, 3, 32, 32])."""
    return _session(model).run([OUTPUT_NAME], {INPUT_NAME: images})[0]


def check_parity(servable: Servable, model: bytes, images: np.ndarray) -> float:
    """Compares torch with ONNX Runtime on images (float32 [n, 3, 32, 32]), in several batch sizes.

    Returns the largest difference of a probability; raises TrainingFailed above PARITY_TOLERANCE.
    """
    session = _session(model)
    with torch.no_grad():
        expected = servable.eval()(torch.from_numpy(images)).numpy()
    differences = []
    for size in PARITY_BATCHES:
        for start in range(0, len(images), size):
            rows = slice(start, start + size)
            got = session.run([OUTPUT_NAME], {INPUT_NAME: images[rows]})[0]
            differences.append(np.abs(got - expected[rows]).max())
    largest = float(np.max(differences))
    # Not `largest > tolerance`: NaN has to fail too.
    if not largest <= PARITY_TOLERANCE:
        raise TrainingFailed(
            f"the exported model differs from the trained one by {largest:.2g} in a probability, "
            f"expected at most {PARITY_TOLERANCE:g}"
        )
    return largest


def _session(model: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
