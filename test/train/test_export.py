"""The exported graph, made from an untrained network: its form does not hang on the weights."""

import data
import digits
import export
import numpy as np
import onnx
import pytest
import torch
from conftest import REPOSITORY
from failure import TrainingFailed
from model import ConvNet, Normalise, Servable

# Operators that run subgraphs, and those whose output's shape hangs on values and not on shapes.
CONTROL_FLOW = {"If", "Loop", "Scan"}
VALUE_SHAPED = {
    "Expand",
    "NonZero",
    "Range",
    "Reshape",
    "Resize",
    "Tile",
    "TopK",
    "Unique",
    "ConstantOfShape",
}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return digits.load().held_out.images[: max(export.PARITY_BATCHES)]


@pytest.fixture(scope="module")
def servable(images: np.ndarray) -> Servable:
    torch.manual_seed(0)
    return Servable(Normalise(torch.from_numpy(images)), ConvNet(10))


@pytest.fixture(scope="module")
def model(servable: Servable, images: np.ndarray) -> bytes:
    return export.export(servable, torch.from_numpy(images[:1]), "digits", "a description")


def test_onnx_runtime_computes_what_torch_does(
    servable: Servable, model: bytes, images: np.ndarray
) -> None:
    assert export.check_parity(servable, model, images) <= export.PARITY_TOLERANCE


def test_another_networks_export_is_found_out(model: bytes, images: np.ndarray) -> None:
    torch.manual_seed(1)
    other = Servable(Normalise(torch.from_numpy(images)), ConvNet(10))
    with pytest.raises(TrainingFailed, match="differs from the trained one"):
        export.check_parity(other, model, images)


def test_batches_of_every_size_give_probabilities(model: bytes, images: np.ndarray) -> None:
    for size in (1, 3, 64):
        probabilities = export.predict(model, images[:size])
        assert probabilities.shape == (size, 10) and probabilities.dtype == np.float32
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_inputs_and_outputs(model: bytes) -> None:
    graph = onnx.load_from_string(model).graph
    assert [_signature(value) for value in graph.input] == [
        ("image", onnx.TensorProto.FLOAT, ["batch", 3, 32, 32])
    ]
    assert [_signature(value) for value in graph.output] == [
        ("probabilities", onnx.TensorProto.FLOAT, ["batch", 10])
    ]


def test_graph_is_plain_layers(model: bytes) -> None:
    loaded = onnx.load_from_string(model)
    operators = {node.op_type for node in loaded.graph.node}
    assert not operators & (CONTROL_FLOW | VALUE_SHAPED)
    assert {"Conv", "MaxPool", "Flatten", "Gemm", "Softmax"} <= operators
    assert next(entry.version for entry in loaded.opset_import if entry.domain == "") >= 17


def test_file_is_self_contained_and_names_no_machine(model: bytes) -> None:
    loaded = onnx.load_from_string(model)
    assert not [tensor.name for tensor in loaded.graph.initializer if tensor.data_location]
    assert not loaded.metadata_props
    for path in (str(REPOSITORY).encode(), b"/home/", b"/usr/", b"/tmp/", b"site-packages", b".py"):
        assert path not in model


def test_same_network_gives_the_same_bytes(
    servable: Servable, model: bytes, images: np.ndarray
) -> None:
    assert export.export(servable, torch.from_numpy(images[:1]), "digits", "a description") == model


def _signature(value: onnx.ValueInfoProto) -> tuple[str, int, list[str | int]]:
    tensor = value.type.tensor_type
    return (
        value.name,
        tensor.elem_type,
        [dim.dim_param or dim.dim_value for dim in tensor.shape.dim],
    )
