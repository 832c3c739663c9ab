"""Makes small models, of which some gain by prepacking: `make_prepacked.py OUTPUT_DIR`, a file `<name>.onnx` each.

classifier    a convolution of 19 MFLOP, and a matrix product of ten classes at its end
wide_head     the same with a thousand classes
perceptron    two matrix products
transformer   64 patches of an image by a convolution of 4 MFLOP, and attention among them
recurrent     an LSTM
transposed    classifier, with a transposed convolution in place of the convolution
int8          classifier, whose convolution is one of int8 once it is optimised
unknown       classifier, with an operator whose shape the file does not tell
embedding     rows that are looked up: no product
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
CHANNELS = 32
SIDE = 32
IMAGE = [1, CHANNELS, SIDE, SIDE]


def main() -> None:
    output = Path(sys.argv[1])
    random = np.random.default_rng(0)
    node = helper.make_node

    def noise(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, dtype=np.float32) / 8

    def save(
        name: str,
        inputs: list[int],
        nodes: list[onnx.NodeProto],
        elem_type: int = TensorProto.FLOAT,
        **weights: np.ndarray,
    ) -> None:
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info("x", elem_type, inputs)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(values, key) for key, values in weights.items()],
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
        onnx.save(model, output / f"{name}.onnx")

    kernel = noise(CHANNELS, CHANNELS, 3, 3)
    conv = [node("Conv", ["x", "kernel"], ["maps"], pads=[1, 1, 1, 1])]
    head = [
        node("GlobalAveragePool", ["maps"], ["pooled"]),
        node("Flatten", ["pooled"], ["flat"]),
        node("Gemm", ["flat", "matrix"], ["y"], transB=1),
    ]
    few, many = noise(10, CHANNELS), noise(1000, CHANNELS)
    save("classifier", IMAGE, conv + head, kernel=kernel, matrix=few)
    save("wide_head", IMAGE, conv + head, kernel=kernel, matrix=many)

    perceptron = [node("MatMul", ["x", "a"], ["inner"]), node("MatMul", ["inner", "b"], ["y"])]
    save("perceptron", [1, 64], perceptron, a=noise(64, 64), b=noise(64, 8))

    transformer = [
        node("Conv", ["x", "patch"], ["patches"], strides=[4, 4]),
        node("Reshape", ["patches", "tokens"], ["columns"]),
        node("Transpose", ["columns"], ["rows"], perm=[0, 2, 1]),
        node("MatMul", ["rows", "query"], ["queries"]),
        node("MatMul", ["rows", "key"], ["keys"]),
        node("Transpose", ["keys"], ["across"], perm=[0, 2, 1]),
        node("MatMul", ["queries", "across"], ["y"]),
    ]
    weights = {
        "patch": noise(64, CHANNELS, 4, 4),
        "tokens": np.array([1, 64, 64]),
        "query": noise(64, 64),
        "key": noise(64, 64),
    }
    save("transformer", IMAGE, transformer, **weights)

    recurrent = [node("LSTM", ["x", "w", "r"], ["y"], hidden_size=8)]
    save("recurrent", [4, 1, 16], recurrent, w=noise(1, 32, 16), r=noise(1, 32, 8))

    transposed = [node("ConvTranspose", ["x", "kernel"], ["maps"], pads=[1, 1, 1, 1])]
    save("transposed", IMAGE, transposed + head, kernel=kernel, matrix=few)

    int8 = [
        node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
        node("DequantizeLinear", ["bytes", "scale", "zero"], ["kernel"]),
        node("Conv", ["d", "kernel"], ["c"], pads=[1, 1, 1, 1]),
        node("QuantizeLinear", ["c", "scale", "zero"], ["cq"]),
        node("DequantizeLinear", ["cq", "scale", "zero"], ["maps"]),
    ]
    quantized = {
        "bytes": (kernel * 100).clip(-128, 127).astype(np.int8),
        "scale": np.float32(0.01).reshape(()),
        "zero": np.int8(0).reshape(()),
    }
    save("int8", IMAGE, int8 + head, matrix=few, **quantized)

    unknown = [node("NonZero", ["maps"], ["found"])]
    save("unknown", IMAGE, conv + unknown + head, kernel=kernel, matrix=few)

    embedding = [node("Gather", ["table", "x"], ["y"])]
    save("embedding", [4], embedding, TensorProto.INT64, table=noise(100, 16))


if __name__ == "__main__":
    main()
