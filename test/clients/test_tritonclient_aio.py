"""The real tritonclient, unmodified, against the running server (asyncio client, which always accepts gzip)."""

import asyncio

import numpy as np
import pytest
import tritonclient.http.aio as triton
from tritonclient.utils import InferenceServerException

from cases import ARRAYS, assert_same


def run(address: str, use) -> None:
    """Runs `use(client)` to its end in an event loop of its own."""

    async def main() -> None:
        async with triton.InferenceServerClient(address) as client:
            await use(client)

    asyncio.run(main())


def tensor(datatype: str, array: np.ndarray, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput("INPUT0", list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def test_everything_but_infer(address):
    async def use(client):
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("add_sub")
        assert not await client.is_model_ready("nothing")
        assert (await client.get_server_metadata())["name"] == "serverless-onnx"
        assert (await client.get_model_metadata("add_sub"))["name"] == "add_sub"
        assert (await client.get_model_config("add_sub"))["max_batch_size"] == 4
        assert (await client.get_inference_statistics("add_sub"))["model_stats"]
        assert await client.get_model_repository_index()

    run(address, use)


@pytest.mark.parametrize("datatype", ARRAYS)
def test_infer(address, reference, datatype):
    array = ARRAYS[datatype]
    model = f"identity_{datatype.lower()}"
    expected = reference(model, {"INPUT0": array})["OUTPUT0"]

    async def use(client):
        for binary in (True,) if datatype == "FP16" else (True, False):
            result = await client.infer(
                model,
                [tensor(datatype, array, binary)],
                outputs=[triton.InferRequestedOutput("OUTPUT0", binary_data=binary)],
            )
            assert_same(result.as_numpy("OUTPUT0"), expected)

    run(address, use)


def test_large_and_concurrent(address):
    async def use(client):
        arrays = [np.full((1, 200_000), value, np.float32) for value in range(16)]
        results = await asyncio.gather(*(client.infer("identity_fp32", [tensor("FP32", a)]) for a in arrays))
        for array, result in zip(arrays, results, strict=True):
            assert_same(result.as_numpy("OUTPUT0"), array)

    run(address, use)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression(address, algorithm):
    async def use(client):
        array = np.zeros((1, 100_000), np.float32)
        result = await client.infer(
            "identity_fp32",
            [tensor("FP32", array)],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        assert_same(result.as_numpy("OUTPUT0"), array)

    run(address, use)


def test_errors(address):
    async def use(client):
        with pytest.raises(InferenceServerException, match="Request for unknown model") as raised:
            await client.infer("nothing", [tensor("FP32", np.zeros((1, 1), np.float32))])
        assert raised.value.status() == "404"

    run(address, use)
