"""Makes a model that is worth compiling: `make_convolutional.py FILE`.

scores = FP32 [1, 4096] of pixels FP32 [1, 16, 32, 32]: a convolution, whose layout depends on the processor once it is
optimised, and a matrix product. 18 MB of random weights.
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
CHANNELS = 16
SIDE = 32
CLASSES = 4096


def main() -> None:
    random = np.random.default_rng(0)
    inner = CHANNELS * 68
    kernel = random.standard_normal((inner, CHANNELS, 3, 3), dtype=np.float32) / 12
    matrix = random.standard_normal((inner, CLASSES), dtype=np.float32) / 33
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "convolutional",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, CHANNELS, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(matrix, "matrix")],
    )
    opset = helper.make_opsetid("", OPSET)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION), sys.argv[1])


if __name__ == "__main__":
    main()
