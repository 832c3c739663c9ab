"""Makes models that might take the place of the digits' own: `make_challengers.py OUTPUT_DIR`.

Each is what a training job leaves, OUTPUT_DIR/<name>/output/model/: model.onnx, made of the committed
digits model, config.pbtxt, labels.txt, metrics.json and golden.json.

good            the digits model in a file of its own: the same answers
one_off         as good, but that it takes some nines for other digits
noisy           noise on the weights: right in about nineteen of twenty
blind           never says eight
constant        always says zero
not_a_number    answers NaN
slow            as good, through matrix products that take a hundred times as long
eleven          has eleven outputs, and eleven labels
eleven_quietly  has eleven outputs, and the labels of ten
other_input     calls its input `picture`
failing         fails at every run
corrupt         a model.onnx that is no ONNX file
forgetful       a golden.json that it does not answer
unlike          differs from the trained network
untold          has a metrics.json of another model
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "functions/train"))

import artifact  # noqa: E402
import digits  # noqa: E402

DIGITS = ROOT / "model-artifacts/digits"
OUTPUT = "probabilities"
SEED = 20261125
NOISE = 0.07
NINE_OFF = 4.0
FAR_OFF = 1e4
SLOW_SIDE = 320
SLOW_STEPS = 8
PARITY = 1.5e-7


def main(output: Path) -> None:
    """Writes all of them."""
    images = digits.load().held_out.images[:1]
    labels = (DIGITS / "labels.txt").read_text(encoding="utf-8")
    made = {name: make() for name, make in MODELS.items()}
    made |= {name: good().SerializeToString() for name in ("forgetful", "unlike", "untold")}
    made["corrupt"] = b"no model"
    for name, model in made.items():
        write(output / name / "output/model", name, model, images, labels)


def write(folder: Path, name: str, model: bytes, images: np.ndarray, labels: str) -> None:
    """What a job leaves; images: float32 [1, 3, 32, 32]."""
    folder.mkdir(parents=True)
    if name == "eleven":
        labels += "10\n"
    answer = answered(model, images)
    if name == "forgetful":
        answer = answer[:, ::-1]
    metrics = {
        "model": "digits",
        "accuracy": 0.99,
        "largest_difference_torch_onnx": 0.002 if name == "unlike" else PARITY,
        "data": {"sha256": hashlib.sha256(name.encode()).hexdigest()},
        "code_sha256": hashlib.sha256(b"code").hexdigest(),
        "versions": {"torch": "2"},
        "model_sha256": hashlib.sha256(b"another" if name == "untold" else model).hexdigest(),
    }
    inputs = [tensor("picture" if name == "other_input" else "image", images)]
    golden = {"request": {"inputs": inputs}, "response": {"outputs": [tensor(OUTPUT, answer)]}}
    (folder / "model.onnx").write_bytes(model)
    (folder / "config.pbtxt").write_text(artifact.config_pbtxt("digits", (3, 32, 32), 10))
    (folder / "labels.txt").write_text(labels, encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    (folder / "golden.json").write_text(json.dumps(golden), encoding="utf-8")
    (folder / "report.html").write_text(f"<p>{name}</p>", encoding="utf-8")


def tensor(name: str, values: np.ndarray) -> dict[str, object]:
    data = [float(value) for value in np.nan_to_num(values).ravel()]
    return {"name": name, "shape": list(values.shape), "datatype": "FP32", "data": data}


def answered(model: bytes, images: np.ndarray) -> np.ndarray:
    """The model's answer; zeros of one that has none."""
    try:
        session = onnxruntime.InferenceSession(model)
        return session.run([OUTPUT], {session.get_inputs()[0].name: images})[0]
    except Exception:
        return np.zeros((1, 10), np.float32)


def base() -> onnx.ModelProto:
    return onnx.load(DIGITS / "1/model.onnx")


def good() -> onnx.ModelProto:
    model = base()
    model.doc_string += " Again."
    return model


def with_bias(change: np.ndarray) -> onnx.ModelProto:
    """change: float32 [10], added to what goes into the softmax."""
    return with_step("Add", change.astype(np.float32))


def with_step(operator: str, constant: np.ndarray) -> onnx.ModelProto:
    """Puts an operator before the softmax, with a constant as its second input."""
    model = base()
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    model.graph.initializer.append(numpy_helper.from_array(constant, "change"))
    step = helper.make_node(operator, [softmax.input[0], "change"], ["changed"])
    softmax.input[0] = "changed"
    place = list(model.graph.node).index(softmax)
    model.graph.node.insert(place, step)
    return model


def one_off() -> onnx.ModelProto:
    change = np.zeros(10)
    change[9] = -NINE_OFF
    return with_bias(change)


def blind() -> onnx.ModelProto:
    change = np.zeros(10)
    change[8] = -FAR_OFF
    return with_bias(change)


def constant() -> onnx.ModelProto:
    change = np.zeros(10)
    change[0] = FAR_OFF
    return with_bias(change)


def not_a_number() -> onnx.ModelProto:
    return with_bias(np.full(10, np.nan))


def noisy() -> onnx.ModelProto:
    model = base()
    random = np.random.default_rng(SEED)
    for weights in model.graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.ndim > 1:
            changed = values + random.normal(0, NOISE, values.shape) * (values.ndim == 2)
            weights.CopyFrom(numpy_helper.from_array(changed.astype(np.float32), weights.name))
    return model


def eleven() -> onnx.ModelProto:
    """The probabilities, and a zero."""
    model = renamed_output("ten")
    pads = numpy_helper.from_array(np.array([0, 0, 0, 1], np.int64), "pads")
    model.graph.initializer.append(pads)
    model.graph.node.append(helper.make_node("Pad", ["ten", "pads"], [OUTPUT]))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 11
    return model


def other_input() -> onnx.ModelProto:
    model = base()
    for node in model.graph.node:
        node.input[:] = ["picture" if name == "image" else name for name in node.input]
    model.graph.input[0].name = "picture"
    return model


def slow() -> onnx.ModelProto:
    """Adds nothing, after products of large matrices that hang on the picture."""
    model = renamed_output("fast")
    shape = numpy_helper.from_array(np.array([SLOW_SIDE, SLOW_SIDE], np.int64), "shape")
    scale = numpy_helper.from_array(np.array(1 / SLOW_SIDE, np.float32), "scale")
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    model.graph.initializer.extend([shape, scale, zero])
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["most"], keepdims=0),
        helper.make_node("Expand", ["most", "shape"], ["product0"]),
    ]
    for i in range(SLOW_STEPS):
        nodes.append(helper.make_node("MatMul", [f"product{i}", f"product{i}"], [f"sum{i}"]))
        nodes.append(helper.make_node("Mul", [f"sum{i}", "scale"], [f"product{i + 1}"]))
    last = f"product{SLOW_STEPS}"
    nodes += [
        helper.make_node("ReduceMax", [last], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "zero"], ["nothing"]),
        helper.make_node("Add", ["fast", "nothing"], [OUTPUT]),
    ]
    model.graph.node.extend(nodes)
    return model


def failing() -> onnx.ModelProto:
    """Takes ten values for seven."""
    model = renamed_output("ten")
    shape = numpy_helper.from_array(np.array([-1, 7], np.int64), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("Reshape", ["ten", "shape"], ["seven"]))
    model.graph.node.append(helper.make_node("ReduceSum", ["seven"], ["sum"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["ten", "sum"], [OUTPUT]))
    return model


def renamed_output(name: str) -> onnx.ModelProto:
    """The model with its last tensor under another name, so that more can follow."""
    model = base()
    for node in model.graph.node:
        node.output[:] = [name if output == OUTPUT else output for output in node.output]
    return model


MODELS = {
    make.__name__: lambda make=make: make().SerializeToString()
    for make in (
        good,
        one_off,
        noisy,
        blind,
        constant,
        not_a_number,
        slow,
        eleven,
        other_input,
        failing,
    )
}
MODELS["eleven_quietly"] = MODELS["eleven"]

if __name__ == "__main__":
    main(Path(sys.argv[1]))
