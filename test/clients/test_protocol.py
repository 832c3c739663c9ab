"""Property-based calls over the protocol's own OpenAPI document, for JSON traffic.

open_inference_rest.yaml is https://github.com/kserve/open-inference-protocol at commit d49cc23, as it is there.
"""

import os
from pathlib import Path

import schemathesis
import yaml
from hypothesis import HealthCheck, settings

# Its path templates are written ${NAME}, where OpenAPI has {NAME}.
document = yaml.safe_load(Path(__file__).with_name("open_inference_rest.yaml").read_text().replace("${", "{"))
schema = schemathesis.openapi.from_dict(document)
schema.config.update(base_url=f"http://{os.environ['SERVER_ADDRESS']}")

MODELS = ["add_sub", "identity_fp32", "identity_bytes", "lookup", "nothing"]


@schema.hook
def map_path_parameters(_context, parameters):
    """Every second call goes to a model that is there."""
    if parameters and "MODEL_NAME" in parameters and hash(parameters["MODEL_NAME"]) % 2:
        name = MODELS[hash(parameters["MODEL_NAME"]) % len(MODELS)]
        return {**parameters, "MODEL_NAME": name, "MODEL_VERSION": "1"}
    return parameters


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_that_it_documents_is_as_it_says(case):
    response = case.call()
    assert response.status_code < 500, response.text
    if str(response.status_code) in case.operation.definition.raw["responses"]:
        case.validate_response(response, checks=[schemathesis.checks.response_schema_conformance])
