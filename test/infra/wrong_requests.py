"""Holds requests of SageMaker against AWS's own model of the API.

The argument names the operation, like CreateTrainingJob. Reads a JSON list of requests on standard
input; prints a list of what is wrong with each, '' where nothing is.
"""

import json
import re
import sys

import botocore.session
from botocore.validate import ParamValidator

shape = (
    botocore.session.get_session()
    .get_service_model("sagemaker")
    .operation_model(sys.argv[1])
    .input_shape
)


def patterns(value: object, of: object, path: str) -> list[str]:
    """Texts that do not match the API's pattern, which the validator does not look at."""
    if of.type_name == "structure":
        members = [
            problem
            for name, member in of.members.items()
            if name in value
            for problem in patterns(value[name], member, f"{path}.{name}")
        ]
        return members
    if of.type_name == "list":
        return [p for i, item in enumerate(value) for p in patterns(item, of.member, f"{path}[{i}]")]
    if of.type_name == "map":
        keys = [p for key in value for p in patterns(key, of.key, f"{path}.{key}")]
        return keys + [p for key, v in value.items() for p in patterns(v, of.value, f"{path}.{key}")]
    pattern = of.metadata.get("pattern") if of.type_name == "string" else None
    if of.type_name == "string" and of.enum and value not in of.enum:
        return [f"{path} is {value!r}, expected one of {of.enum[:5]}"]
    if pattern and not re.fullmatch(pattern, value):
        return [f"{path} is {value!r}, expected {pattern}"]
    return []


found = []
for request in json.load(sys.stdin):
    report = ParamValidator().validate(request, shape).generate_report()
    found.append(report or "; ".join(patterns(request, shape, "request")))
print(json.dumps(found))
