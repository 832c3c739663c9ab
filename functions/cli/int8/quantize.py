"""Makes an int8 model of a float one, by ONNX Runtime's own tools.

    quantize.py dynamic SOURCE OUTPUT
    quantize.py static SOURCE OUTPUT CALIBRATION

SOURCE, OUTPUT: ONNX files. CALIBRATION: a JSON file {"input": name, "dtype": NumPy's name, "shape": [n, ...], "file":
path}, whose file holds n inputs of the model, one after the other, as bytes. Prints {"quantised": {operator: nodes},
"left": {...}, "tool": ...}; what can't be done is one sentence on stderr and exit code 1.
"""

import json
import logging
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

# Since 1.29 ONNX Runtime tells Microsoft about every session, unless this is set before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

# Matrix products alone: a convolution whose input is quantised anew in each run (ConvInteger) takes longer than in float.
DYNAMIC_OPERATORS = ["Attention", "Gather", "Gemm", "LSTM", "MatMul"]
# What has int8 kernels, and what can pass their numbers on. Softmax and its like stay in float: outputs keep their precision.
STATIC_OPERATORS = [
    *["Conv", "ConvTranspose", "Gemm", "MatMul"],
    *["Add", "AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "LeakyRelu", "MaxPool", "Mul", "Pad"],
    *["Relu", "Reshape", "Resize", "Split", "Squeeze", "Transpose", "Unsqueeze"],
]
# Those that are worth it.
WEIGHTED = {"Attention", "Conv", "ConvTranspose", "Gather", "Gemm", "LSTM", "MatMul"}
# A model that is not float any more has one of these, or one of Microsoft's own with such a name.
INT8_NAMES = ("QLinear", "Quantize", "Dequantize", "DynamicQuantize", "ConvInteger", "MatMulInteger", "QGemm", "QAttention")
# What protobuf can hold.
MAX_BYTES = 2 * 1024**3
# 7 bits: processors without VNNI add up pairs of products in 16 bits, which 8 bits overflow.
WEIGHTS = {"weight_type": QuantType.QInt8, "reduce_range": True}


class NotQuantised(Exception):
    """There is no int8 model of this one; the message is one sentence."""


class Calibration(CalibrationDataReader):
    """Inputs of the model, one by one."""

    def __init__(self, description: Path) -> None:
        found = json.loads(description.read_text())
        shape = [found["shape"][0], 1, *found["shape"][1:]]
        self.inputs = np.fromfile(found["file"], found["dtype"]).reshape(shape)
        self.name = found["input"]
        self.left: Iterator[np.ndarray] = iter(self.inputs)

    def get_next(self) -> dict[str, np.ndarray] | None:
        values = next(self.left, None)
        return None if values is None else {self.name: values}


def main(method: str, source: Path, output: Path, calibration: Path | None = None) -> dict[str, object]:
    """Writes the int8 model; returns what has become of its operators. Raises NotQuantised."""
    operators = operators_of(source)
    known = [name for name in operators if name.startswith(INT8_NAMES)]
    if known:
        raise NotQuantised(f"it is quantised already: it has {known[0]}")
    wanted = DYNAMIC_OPERATORS if method == "dynamic" else STATIC_OPERATORS
    if not WEIGHTED.intersection(wanted, operators):
        raise NotQuantised(f"none of its operators can be quantised: it has {', '.join(sorted(operators))}; "
                           f"expected one of {', '.join(sorted(WEIGHTED.intersection(wanted)))}")  # fmt: skip
    # In the folder that whoever asked for this removes, as TMPDIR is for the tools.
    prepared = output.with_suffix(".prepared.onnx")
    prepare(source, prepared)
    if calibration is None:
        quantize_dynamic(prepared, output, op_types_to_quantize=wanted, **WEIGHTS)
    else:
        quantize_static(prepared, output, Calibration(calibration), op_types_to_quantize=wanted,
                        activation_type=QuantType.QUInt8, per_channel=True, **WEIGHTS)  # fmt: skip
    model = onnx.load(output)
    tidy(model)
    onnx.save(model, output)
    return told(operators, model)


def prepare(source: Path, output: Path) -> None:
    """Infers shapes and folds what can be folded, so that ranges are taken where int8 is computed."""
    try:
        quant_pre_process(source, output)
    except Exception:
        # Symbolic shapes help where they are found, and are not found for every operator.
        quant_pre_process(source, output, skip_symbolic_shape=True)


def tidy(model: onnx.ModelProto) -> None:
    """Takes out the operator sets that ONNX Runtime names, all that it knows, and no operator is of."""
    used = {"", *(node.domain for node in model.graph.node)}
    kept = [opset for opset in model.opset_import if opset.domain == "ai.onnx" or opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def told(before: Counter[str], model: onnx.ModelProto) -> dict[str, object]:
    """What the quantised model still has of the float one's operators, and what not."""
    initializers = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}
    left: Counter[str] = Counter()
    for node in model.graph.node:
        if node.op_type in WEIGHTED and not has_int8_weights(node, makers, initializers):
            left[node.op_type] += 1
    all_of = Counter({name: count for name, count in before.items() if name in WEIGHTED})
    quantised = all_of - left
    if not quantised:
        raise NotQuantised(f"none of its {all_of.total()} operators with weights could be quantised")
    return {"quantised": quantised, "left": left, "tool": f"onnxruntime {onnxruntime.__version__}"}


def has_int8_weights(
    node: onnx.NodeProto, makers: dict[str, onnx.NodeProto], initializers: dict[str, int]
) -> bool:
    """An operator between QuantizeLinear and DequantizeLinear keeps its name, as one that looks its weights up does."""
    small = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
    sources = [makers[name] for name in node.input if name in makers]
    taken = [*node.input, *(maker.input[0] for maker in sources if maker.op_type == "DequantizeLinear")]
    return any(initializers.get(name) in small for name in taken)


def operators_of(file: Path) -> Counter[str]:
    if file.suffix != ".onnx":
        raise NotQuantised(f"its file is {file.name}; expected an .onnx file")
    # The weights may be in files beside it.
    size = sum(found.stat().st_size for found in file.parent.iterdir() if found.is_file())
    if size > MAX_BYTES:
        raise NotQuantised(f"its files have {size} bytes; expected at most {MAX_BYTES}")
    model = onnx.load(file, load_external_data=False)
    return Counter(node.op_type for node in model.graph.node)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5) or sys.argv[1] != ("dynamic" if len(sys.argv) == 4 else "static"):
        sys.exit(f"usage: {__doc__}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    onnxruntime.set_default_logger_severity(4)
    try:
        print(json.dumps(main(sys.argv[1], *map(Path, sys.argv[2:]))))
    except NotQuantised as error:
        sys.exit(str(error))
    except Exception as error:
        # The tools say what they can't do in many ways, over many lines.
        reason = " ".join(str(error).split())[:300]
        sys.exit(f"ONNX Runtime's tools can't quantise it: {reason or type(error).__name__}")
