"""Makes models of the sizes that people serve: `make_large_models.py OUTPUT_DIR MODEL...`.

OUTPUT_DIR becomes a model repository of networks with random weights, as their papers have them:

resnet50      102 MB, 53 convolutions; FP32 [batch, 3, 224, 224] -> [batch, 1000]
mobilenet_v2  14 MB, 52 small convolutions; the same shapes
vit_b_16      346 MB, 12 transformer blocks, all matrix products; the same shapes

perceptron    9 MB, 3 matrix products, 1024 wide; FP32 [batch, 128] -> [batch, 1000]
table         350 MB, rows that are looked up, at no cost: INT64 [count] -> FP32 [count, 1000]
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
CLASSES = 1000


class Graph:
    """Collects nodes and weights; every method returns the name of a new value."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.random = np.random.default_rng(0)

    def weight(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def noise(self, *shape: int, fan_in: int) -> str:
        values = self.random.standard_normal(shape, dtype=np.float32)
        return self.weight(values * np.float32(fan_in**-0.5))

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def linear(self, value: str, inputs: int, outputs: int) -> str:
        product = self.node("MatMul", value, self.noise(inputs, outputs, fan_in=inputs))
        return self.node("Add", product, self.noise(outputs, fan_in=outputs))

    def shape(self, value: str, *dims: int) -> str:
        return self.node("Reshape", value, self.weight(np.array(dims, dtype=np.int64)))

    def conv(
        self, value: str, inputs: int, outputs: int, size: int, stride: int = 1, group: int = 1
    ) -> str:
        fan_in = inputs // group * size * size
        weight = self.noise(outputs, inputs // group, size, size, fan_in=fan_in)
        bias = self.noise(outputs, fan_in=outputs)
        shape = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": [size // 2] * 4}
        return self.node("Conv", value, weight, bias, group=group, **shape)

    def save(self, path: Path, output: str, *dims: int) -> None:
        """`dims` of its input, without the batch; an image without them."""
        shape = ["batch", *(dims or (3, 224, 224))]
        pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)
        scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", CLASSES])
        self.nodes.append(helper.make_node("Identity", [output], ["scores"]))
        save(helper.make_graph(self.nodes, "network", [pixels], [scores], self.weights), path)


def make_resnet50(path: Path) -> None:
    graph = Graph()
    value = graph.node("Relu", graph.conv("pixels", 3, 64, 7, 2))
    value = graph.node("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for width, blocks, first_stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            inner = graph.node("Relu", graph.conv(value, channels, width, 1))
            inner = graph.node("Relu", graph.conv(inner, width, width, 3, stride))
            inner = graph.conv(inner, width, 4 * width, 1)
            if block == 0:
                value = graph.conv(value, channels, 4 * width, 1, stride)
            channels = 4 * width
            value = graph.node("Relu", graph.node("Add", inner, value))
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", value))
    graph.save(path, graph.linear(pooled, channels, CLASSES))


def make_mobilenet_v2(path: Path) -> None:
    graph = Graph()

    def activated(value: str) -> str:
        low, high = np.array(0, np.float32), np.array(6, np.float32)
        return graph.node("Clip", value, graph.weight(low), graph.weight(high))

    value = activated(graph.conv("pixels", 3, 32, 3, 2))
    channels = 32
    for expansion, outputs, blocks, first_stride in (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            width = channels * expansion
            inner = value if expansion == 1 else activated(graph.conv(value, channels, width, 1))
            inner = activated(graph.conv(inner, width, width, 3, stride, group=width))
            inner = graph.conv(inner, width, outputs, 1)
            value = inner if block == 0 else graph.node("Add", inner, value)
            channels = outputs
    value = activated(graph.conv(value, channels, 1280, 1))
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", value))
    graph.save(path, graph.linear(pooled, 1280, CLASSES))


def make_vit_b_16(path: Path) -> None:
    width, heads, patches = 768, 12, 196
    graph = Graph()

    def normalised(value: str) -> str:
        scale, bias = np.ones(width, np.float32), np.zeros(width, np.float32)
        return graph.node("LayerNormalization", value, graph.weight(scale), graph.weight(bias))

    def split_heads(value: str) -> str:
        return graph.node("Transpose", graph.shape(value, 0, -1, heads, width // heads), perm=[0, 2, 1, 3])

    weight = graph.noise(width, 3, 16, 16, fan_in=3 * 16 * 16)
    value = graph.node("Conv", "pixels", weight, kernel_shape=[16, 16], strides=[16, 16])
    value = graph.node("Transpose", graph.shape(value, 0, width, patches), perm=[0, 2, 1])
    value = graph.node("Add", value, graph.noise(1, patches, width, fan_in=width))
    for _ in range(12):
        normal = normalised(value)
        query, key, content = (split_heads(graph.linear(normal, width, width)) for _ in range(3))
        product = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
        scale = graph.weight(np.array((width // heads) ** -0.5, np.float32))
        weights = graph.node("Softmax", graph.node("Mul", product, scale), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", weights, content), perm=[0, 2, 1, 3])
        mixed = graph.linear(graph.shape(mixed, 0, -1, width), width, width)
        value = graph.node("Add", value, mixed)
        hidden = graph.linear(normalised(value), width, 4 * width)
        half = graph.weight(np.array(0.5, np.float32))
        root = graph.weight(np.array(2**0.5, np.float32))
        one = graph.weight(np.array(1, np.float32))
        bell = graph.node("Add", graph.node("Erf", graph.node("Div", hidden, root)), one)
        hidden = graph.node("Mul", graph.node("Mul", hidden, bell), half)
        value = graph.node("Add", value, graph.linear(hidden, 4 * width, width))
    pooled = graph.node("ReduceMean", normalised(value), axes=[1], keepdims=0)
    graph.save(path, graph.linear(pooled, width, CLASSES))


def make_perceptron(path: Path) -> None:
    graph = Graph()
    value = graph.node("Relu", graph.linear("pixels", 128, 1024))
    value = graph.node("Relu", graph.linear(value, 1024, 1024))
    graph.save(path, graph.linear(value, 1024, CLASSES), 128)


def make_table(path: Path) -> None:
    graph = Graph()
    rows = graph.noise(87_500, CLASSES, fan_in=1)
    graph.nodes.append(helper.make_node("Gather", [rows, "numbers"], ["rows"]))
    numbers = helper.make_tensor_value_info("numbers", TensorProto.INT64, ["count"])
    found = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["count", CLASSES])
    save(helper.make_graph(graph.nodes, "table", [numbers], [found], graph.weights), path)


def save(graph: onnx.GraphProto, path: Path) -> None:
    opset = helper.make_opsetid("", OPSET)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION), path)


MAKERS = {
    "resnet50": make_resnet50,
    "mobilenet_v2": make_mobilenet_v2,
    "vit_b_16": make_vit_b_16,
    "perceptron": make_perceptron,
    "table": make_table,
}


def main() -> None:
    folder, *names = sys.argv[1:]
    for name in names:
        MAKERS[name](Path(folder) / name / "1/model.onnx")


if __name__ == "__main__":
    main()
