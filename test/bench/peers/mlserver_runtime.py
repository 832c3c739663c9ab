"""MLServer's custom runtime, as its documentation has it: numpy's codec, a worker process per core. It reads JSON only.

https://github.com/SeldonIO/MLServer/issues/324: no binary tensors over REST.
"""

import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Digits(MLModel):
    async def load(self) -> bool:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pixels = NumpyCodec.decode_input(payload.inputs[0])
        (values,) = self.session.run(["probabilities"], {"image": pixels})
        output = NumpyCodec.encode_output("probabilities", values)
        return InferenceResponse(model_name=self.name, outputs=[output])
