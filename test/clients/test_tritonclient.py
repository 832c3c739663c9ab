"""The real tritonclient, unmodified, against the running server (sync client)."""

import os
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from cases import ARRAYS, assert_same

# tritonclient itself refuses to write half-precision numbers as JSON.
JSON_DATATYPES = [name for name in ARRAYS if name != "FP16"]


@pytest.fixture(scope="module")
def client(address):
    with triton.InferenceServerClient(address, concurrency=8) as opened:
        yield opened


def tensor(name: str, datatype: str, array: np.ndarray, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def identity(datatype: str) -> str:
    return f"identity_{datatype.lower()}"


def test_health(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("add_sub")
    assert client.is_model_ready("add_sub", "1")
    assert not client.is_model_ready("add_sub", "2")
    assert not client.is_model_ready("nothing")
    assert not client.is_model_ready("corrupt")


def test_server_metadata(client):
    metadata = client.get_server_metadata()
    assert metadata["name"] == "serverless-onnx"
    assert "binary_tensor_data" in metadata["extensions"]


def test_model_metadata(client):
    metadata = client.get_model_metadata("add_sub", "1")
    assert metadata["versions"] == ["1"]
    assert metadata["platform"] == "onnxruntime_onnx"
    assert [(i["name"], i["datatype"], i["shape"]) for i in metadata["inputs"]] == [
        ("INPUT0", "INT32", [-1, 16]),
        ("INPUT1", "INT32", [-1, 16]),
    ]


def test_model_config(client):
    config = client.get_model_config("add_sub")
    assert config["name"] == "add_sub"
    assert config["backend"] == "onnxruntime"
    assert config["max_batch_size"] == 4
    assert config["input"][0] == {"name": "INPUT0", "data_type": "TYPE_INT32", "dims": [16]}


def test_repository_index(client):
    index = {model["name"]: model for model in client.get_model_repository_index()}
    assert index["add_sub"]["state"] == "READY"
    assert index["corrupt"]["state"] == "UNAVAILABLE"
    assert index["corrupt"]["reason"]


def test_statistics(client):
    array = ARRAYS["UINT8"]
    before = client.get_inference_statistics("identity_uint8", "1")["model_stats"][0]
    client.infer(identity("UINT8"), [tensor("INPUT0", "UINT8", array)])
    stats = client.get_inference_statistics("identity_uint8")["model_stats"]
    assert len(stats) == 1
    assert stats[0]["inference_count"] == before["inference_count"] + 2
    assert stats[0]["execution_count"] == before["execution_count"] + 1
    success = stats[0]["inference_stats"]["success"]
    assert success["count"] == before["inference_stats"]["success"]["count"] + 1
    assert success["ns"] > before["inference_stats"]["success"]["ns"]
    assert len(client.get_inference_statistics()["model_stats"]) > 10


@pytest.mark.parametrize("datatype", ARRAYS)
def test_binary_in_binary_out(client, reference, datatype):
    array = ARRAYS[datatype]
    result = client.infer(identity(datatype), [tensor("INPUT0", datatype, array)])
    assert_same(result.as_numpy("OUTPUT0"), reference(identity(datatype), {"INPUT0": array})["OUTPUT0"])


@pytest.mark.parametrize("datatype", JSON_DATATYPES)
@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_json_and_binary(client, reference, datatype, binary_in, binary_out):
    array = ARRAYS[datatype]
    result = client.infer(
        identity(datatype),
        [tensor("INPUT0", datatype, array, binary_in)],
        outputs=[triton.InferRequestedOutput("OUTPUT0", binary_data=binary_out)],
    )
    assert_same(result.as_numpy("OUTPUT0"), reference(identity(datatype), {"INPUT0": array})["OUTPUT0"])


def add_sub_arrays(rows: int = 1) -> dict[str, np.ndarray]:
    return {
        "INPUT0": np.arange(16 * rows, dtype=np.int32).reshape(rows, 16),
        "INPUT1": np.full((rows, 16), 3, np.int32),
    }


@pytest.mark.parametrize("rows", [1, 4])
def test_two_inputs_two_outputs(client, reference, rows):
    arrays = add_sub_arrays(rows)
    inputs = [
        tensor("INPUT0", "INT32", arrays["INPUT0"], binary=True),
        tensor("INPUT1", "INT32", arrays["INPUT1"], binary=False),
    ]
    outputs = [
        triton.InferRequestedOutput("OUTPUT1", binary_data=False),
        triton.InferRequestedOutput("OUTPUT0", binary_data=True),
    ]
    result = client.infer("add_sub", inputs, outputs=outputs, request_id="mine", query_params={"test": 1})
    assert result.get_response()["id"] == "mine"
    expected = reference("add_sub", arrays)
    assert_same(result.as_numpy("OUTPUT0"), expected["OUTPUT0"])
    assert_same(result.as_numpy("OUTPUT1"), expected["OUTPUT1"])


def test_async_infer(client, reference):
    pending = []
    for value in range(64):
        arrays = add_sub_arrays() | {"INPUT1": np.full((1, 16), value, np.int32)}
        inputs = [tensor(name, "INT32", array) for name, array in arrays.items()]
        pending.append((arrays, client.async_infer("add_sub", inputs)))
    for arrays, request in pending:
        assert_same(request.get_result().as_numpy("OUTPUT1"), reference("add_sub", arrays)["OUTPUT1"])


def test_classification(client):
    array = np.array([[0.25, 3.3, -1.0]], np.float32)
    for binary in (True, False):
        outputs = [triton.InferRequestedOutput("OUTPUT0", binary_data=binary, class_count=2)]
        result = client.infer("identity_fp32", [tensor("INPUT0", "FP32", array)], outputs=outputs)
        classes = [item.decode() if isinstance(item, bytes) else item for item in result.as_numpy("OUTPUT0")[0]]
        assert classes == ["3.300000:1", "0.250000:0"]


@pytest.mark.parametrize("request_algorithm", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_algorithm", [None, "gzip", "deflate"])
def test_compression(client, request_algorithm, response_algorithm):
    array = np.zeros((1, 100_000), np.float32)
    result = client.infer(
        "identity_fp32",
        [tensor("INPUT0", "FP32", array)],
        request_compression_algorithm=request_algorithm,
        response_compression_algorithm=response_algorithm,
    )
    assert_same(result.as_numpy("OUTPUT0"), array)


def test_empty_tensor(client):
    result = client.infer("identity_fp32", [tensor("INPUT0", "FP32", np.zeros((0, 3), np.float32))])
    assert result.as_numpy("OUTPUT0").size == 0


@pytest.mark.parametrize(
    ("model", "version", "status", "text"),
    [
        ("nothing", "", "404", "Request for unknown model"),
        ("identity_fp32", "7", "404", "Request for unknown model"),
        ("corrupt", "", "503", "failed to load"),
    ],
)
def test_unknown_models(client, model, version, status, text):
    array = np.zeros((1, 1), np.float32)
    calls = [
        lambda: client.infer(model, [tensor("INPUT0", "FP32", array)], model_version=version),
        lambda: client.get_model_metadata(model, version),
        lambda: client.get_model_config(model, version),
    ]
    for call in calls:
        with pytest.raises(InferenceServerException, match=text) as raised:
            call()
        assert raised.value.status() == status


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([("INPUT0", "INT32", (1, 1))], "data-type is 'INT32'"),
        ([("WRONG", "FP32", (1, 1))], "unexpected inference input 'WRONG'"),
        ([("INPUT0", "FP32", (1,))], "unexpected shape for input 'INPUT0'"),
        ([("INPUT0", "FP32", (5, 1))], "inference request batch-size must be <= 4"),
        ([], "expected 1 inputs but got 0"),
    ],
)
def test_wrong_requests(client, inputs, text):
    dtypes = {"INT32": np.int32, "FP32": np.float32}
    tensors = [tensor(name, datatype, np.zeros(shape, dtypes[datatype])) for name, datatype, shape in inputs]
    with pytest.raises(InferenceServerException, match=text) as raised:
        client.infer("identity_fp32", tensors)
    assert raised.value.status() == "400"


def test_load_and_unload_are_refused_in_this_mode(client):
    with pytest.raises(InferenceServerException, match="explicit model load / unload is not allowed") as raised:
        client.load_model("add_sub")
    assert raised.value.status() == "503"


def test_load_and_unload(explicit_address, reference):
    model = (Path(os.environ["MODEL_REPOSITORY"]) / "identity_fp32" / "1" / "model.onnx").read_bytes()
    array = np.ones((16, 2), np.float32)
    with triton.InferenceServerClient(explicit_address) as client:
        assert client.is_server_ready()
        assert not client.is_model_ready("add_sub")
        client.load_model("add_sub")
        assert client.is_model_ready("add_sub")
        assert {"name": "add_sub", "version": "1", "state": "READY"} in client.get_model_repository_index()
        client.unload_model("add_sub")
        assert not client.is_model_ready("add_sub")

        client.load_model("identity_fp32", config='{"max_batch_size": "16"}')
        assert client.get_model_config("identity_fp32")["max_batch_size"] == 16
        same = client.infer("identity_fp32", [tensor("INPUT0", "FP32", array)]).as_numpy("OUTPUT0")
        assert_same(same, array)

        client.load_model("brought_along", config="{}", files={"file:3/model.onnx": model})
        assert client.get_model_metadata("brought_along")["versions"] == ["3"]
        client.unload_model("brought_along", unload_dependents=True)

        with pytest.raises(InferenceServerException, match="not found"):
            client.load_model("nothing")
        with pytest.raises(InferenceServerException, match="failed to load"):
            client.load_model("corrupt")


def test_reshaped(client):
    assert client.get_model_metadata("reshaped")["inputs"][0]["shape"] == [-1, 2, 2]
    array = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    assert_same(client.infer("reshaped", [tensor("INPUT0", "FP32", array)]).as_numpy("OUTPUT0"), array)


def test_dynamic_batching(client, reference):
    arrays = [np.full((1, 1024), value, np.float32) for value in range(8)]
    pending = [client.async_infer("batching", [tensor("INPUT0", "FP32", array)]) for array in arrays]
    expected = reference("batching", {"INPUT0": np.concatenate(arrays)})["OUTPUT0"]
    for row, request in zip(expected, pending, strict=True):
        np.testing.assert_allclose(request.get_result().as_numpy("OUTPUT0"), row[None], atol=1e-3)
    statistics = client.get_inference_statistics("batching")["model_stats"][0]
    assert statistics["inference_count"] == 8
    assert [(entry["batch_size"], entry["compute_infer"]["count"]) for entry in statistics["batch_stats"]] == [(8, 1)]
