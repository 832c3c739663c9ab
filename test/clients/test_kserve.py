"""The real KServe client, unmodified, against the running server."""

import asyncio

import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


@pytest.fixture
def base(address):
    return f"http://{address}"


def run(use):
    """Runs `use(client)` to its end in an event loop of its own and returns what it returns."""
    return asyncio.run(use(InferenceRESTClient(RESTConfig(protocol="v2", retries=0))))


def test_health(base):
    async def use(client):
        assert await client.is_server_live(base)
        assert await client.is_server_ready(base)
        assert await client.is_model_ready(base, "add_sub")

    run(use)


@pytest.mark.parametrize("binary", [True, False])
def test_infer(base, reference, binary):
    arrays = {
        "INPUT0": np.arange(32, dtype=np.int32).reshape(2, 16),
        "INPUT1": np.full((2, 16), 3, np.int32),
    }
    inputs = []
    for name, array in arrays.items():
        made = InferInput(name, list(array.shape), "INT32")
        made.set_data_from_numpy(array, binary_data=binary)
        inputs.append(made)

    async def use(client):
        request = InferRequest(model_name="add_sub", infer_inputs=inputs)
        return await client.infer(base, request, model_name="add_sub")

    response = run(use)
    expected = reference("add_sub", arrays)
    assert response.model_name == "add_sub"
    for output in response.outputs:
        np.testing.assert_array_equal(output.as_numpy().reshape(2, 16), expected[output.name])


def test_unknown_model(base):
    async def use(client):
        made = InferInput("INPUT0", [1, 1], "FP32")
        made.set_data_from_numpy(np.zeros((1, 1), np.float32), binary_data=False)
        request = InferRequest(model_name="nothing", infer_inputs=[made])
        return await client.infer(base, request, model_name="nothing")

    with pytest.raises(Exception, match="404|Request for unknown model"):
        run(use)
