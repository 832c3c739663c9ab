"""The Authorization header that botocore computes for a request that was received, as JSON on stdin."""

import json
import sys

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

received = json.load(sys.stdin)
headers = {name.lower(): value for name, value in received["headers"].items()}
scope, signed = headers["authorization"].split("Credential=")[1].split(", ")[:2]
_, _, region, service, _ = scope.split("/")
names = signed.removeprefix("SignedHeaders=").split(";")
request = AWSRequest(
    method=received["method"],
    url=received["url"],
    data=bytes.fromhex(received["body"]),
    headers={name: headers[name] for name in names},
)
request.context["timestamp"] = headers["x-amz-date"]
auth = SigV4Auth(Credentials(received["id"], received["secret"], received.get("token")), service, region)
canonical = auth.canonical_request(request)
signature = auth.signature(auth.string_to_sign(request, canonical), request)
print(f"AWS4-HMAC-SHA256 Credential={scope}, {signed}, Signature={signature}")
