"""Kernel SHAP of the server against the reference implementation, both over the same models."""

import json
import os
import urllib.request

import numpy as np
import pytest
import shap

TOLERANCE = 1e-5  # The models compute in 32 bits.


@pytest.fixture
def explain():
    """explain(model, image, **parameters) posts a plain request and returns parameters and tensor."""

    def post(model: str, item: np.ndarray, **parameters):
        tensor = {"name": "INPUT0", "shape": item.shape, "datatype": "FP32", "data": item.tolist()}
        request = urllib.request.Request(
            f"http://{os.environ['SERVER_ADDRESS']}/v2/models/{model}/explain",
            json.dumps({"inputs": [tensor], "parameters": parameters}).encode(),
        )
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        (output,) = answer["outputs"]
        return answer["parameters"], np.array(output["data"]).reshape(output["shape"])

    return post


@pytest.mark.parametrize("background", [0, 0.5])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_of_a_network(explain, reference, background, target):
    item = np.random.default_rng(target).standard_normal((1, 8)).astype(np.float32)

    def model(rows):
        return reference("network", {"INPUT0": rows.astype(np.float32)})["OUTPUT0"][:, target]

    expected = shap.KernelExplainer(model, np.full((1, 8), background, np.float32))
    values = expected.shap_values(item, nsamples=2**8, l1_reg=False, silent=True)
    parameters, got = explain("network", item, target=target, background=background)
    assert np.abs(got - values).max() < TOLERANCE
    assert abs(parameters["base_value"] - expected.expected_value) < TOLERANCE
    assert abs(got.sum() - (parameters["value"] - parameters["base_value"])) < TOLERANCE
    assert np.abs(values).max() > 0.05  # There is something to explain.


def test_of_the_patches_of_an_image(explain, reference):
    item = np.random.default_rng(7).standard_normal((1, 1, 16, 16)).astype(np.float32)

    def model(present):
        masks = present.reshape(-1, 1, 2, 2).repeat(8, axis=2).repeat(8, axis=3)
        return reference("planted", {"INPUT0": (item * masks).astype(np.float32)})["OUTPUT0"][:, 0]

    expected = shap.KernelExplainer(model, np.zeros((1, 4)))
    values = expected.shap_values(np.ones((1, 4)), nsamples=2**4, l1_reg=False, silent=True)
    _, got = explain("planted_image", item, method="kernel_shap", patch=8)
    patches = got.reshape(2, 8, 2, 8).sum(axis=(1, 3)).reshape(1, 4)
    assert np.abs(patches - values).max() < TOLERANCE
    assert np.abs(values).max() > 0.05
