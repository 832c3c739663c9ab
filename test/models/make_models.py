"""Makes the models that the tests serve: `make_models.py OUTPUT_DIR`.

OUTPUT_DIR becomes a model repository, a folder `<name>/1/model.onnx` per model, all of them a few
kilobytes (slow_matmul and wide: 2 MB) and without config.pbtxt:

identity_<datatype>  OUTPUT0 = INPUT0 [-1, -1], one per Open Inference Protocol datatype that
                     ONNX Runtime knows
add_sub              OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1, all INT32 [-1, 16]
log                  OUTPUT0 = log(INPUT0), both FP32 [-1, -1]: not finite from 0 down
failing              as identity_fp32, but every run fails
wide                 OUTPUT0 = INPUT0 in reverse order, FP32 [1, 700]: 2 MB of weights
scalar               OUTPUT0 = 2 * INPUT0, both FP32 of rank 0
linear               OUTPUT0 = INPUT0 * W + b, FP64 [-1, 12] to [-1, 2]: see make_linear
network              a small network, FP32 [-1, 8] to the probabilities of three classes
planted              how well the best place of an image FP32 [-1, 1, 16, 16] matches a pattern
slow_matmul          OUTPUT0 = INPUT0 FP32 [1, 512], through matrix products: 100 ms on one core

and three that a server has to survive:

endless_loop         INPUT0 FP32 [1]; a Loop of 2^63 - 1 rounds whose condition stays true
expand               INPUT0 FP32 [1] expanded to the shape that SHAPE, INT64 [2], names
corrupt              a model.onnx that is no ONNX file
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
DATATYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}
SLOW_WIDTH = 512
WIDTH = 700
SLOW_STEPS = 64
REFLECTION_WIDTH = 1024
REFLECTION_STEPS = 16
INT64_MAX = 2**63 - 1


def make_identity(elem_type: int) -> onnx.ModelProto:
    """OUTPUT0 = INPUT0, both [rows, columns] of the given element type."""
    return _model(
        [helper.make_node("Identity", ["INPUT0"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", elem_type, ["rows", "columns"])],
        outputs=[_value("OUTPUT0", elem_type, ["rows", "columns"])],
    )


def make_add_sub() -> onnx.ModelProto:
    """Triton's well-known example: the sum and the difference of two INT32 [rows, 16]."""
    names = ["INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1"]
    values = [_value(name, TensorProto.INT32, ["rows", 16]) for name in names]
    return _model(
        [
            helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"]),
            helper.make_node("Sub", ["INPUT0", "INPUT1"], ["OUTPUT1"]),
        ],
        inputs=values[:2],
        outputs=values[2:],
    )


def make_scalar() -> onnx.ModelProto:
    """OUTPUT0 = 2 * INPUT0, both FP32 [] (one value, no dimension)."""
    return _model(
        [helper.make_node("Mul", ["INPUT0", "two"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", TensorProto.FLOAT, [])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, [])],
        weights=[numpy_helper.from_array(np.array(2, dtype=np.float32), "two")],
    )


def make_endless_loop() -> onnx.ModelProto:
    """x = -x, 2^63 - 1 times: no run ends, and no thread of the runtime can be stopped."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["condition_in"], ["condition_out"]),
            helper.make_node("Neg", ["x_in"], ["x_out"]),
        ],
        "body",
        [
            _value("round", TensorProto.INT64, []),
            _value("condition_in", TensorProto.BOOL, []),
            _value("x_in", TensorProto.FLOAT, [1]),
        ],
        [
            _value("condition_out", TensorProto.BOOL, []),
            _value("x_out", TensorProto.FLOAT, [1]),
        ],
    )
    return _model(
        [helper.make_node("Loop", ["rounds", "forever", "INPUT0"], ["OUTPUT0"], body=body)],
        inputs=[_value("INPUT0", TensorProto.FLOAT, [1])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, [1])],
        weights=[
            numpy_helper.from_array(np.array(INT64_MAX, dtype=np.int64), "rounds"),
            numpy_helper.from_array(np.array(True), "forever"),
        ],
    )


def make_expand() -> onnx.ModelProto:
    """A request of 20 bytes that asks for an output of any size: [1000000, 1000000] is 4 TB."""
    return _model(
        [helper.make_node("Expand", ["INPUT0", "SHAPE"], ["OUTPUT0"])],
        inputs=[
            _value("INPUT0", TensorProto.FLOAT, [1]),
            _value("SHAPE", TensorProto.INT64, [2]),
        ],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["rows", "columns"])],
    )


def make_slow_matmul() -> onnx.ModelProto:
    """OUTPUT0 = INPUT0, the slow way: 1 * R^SLOW_STEPS * diag(INPUT0), with R its own inverse.

    R is a Householder reflection, I - 2vv' with |v| = 1: orthogonal, so nothing grows or vanishes,
    and an even power of it is the identity, so the answer is known.
    """
    v = np.random.default_rng(0).standard_normal(SLOW_WIDTH)
    v /= np.linalg.norm(v)
    identity = np.eye(SLOW_WIDTH)
    weights = {
        "identity": identity,
        "reflection": identity - 2 * np.outer(v, v),
        "ones": np.ones((1, SLOW_WIDTH)),
    }
    return _model(
        [
            helper.make_node("Mul", ["identity", "INPUT0"], ["x0"]),
            *(
                helper.make_node("MatMul", ["reflection", f"x{i}"], [f"x{i + 1}"])
                for i in range(SLOW_STEPS)
            ),
            helper.make_node("MatMul", ["ones", f"x{SLOW_STEPS}"], ["OUTPUT0"]),
        ],
        inputs=[_value("INPUT0", TensorProto.FLOAT, [1, SLOW_WIDTH])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, [1, SLOW_WIDTH])],
        weights=[
            numpy_helper.from_array(matrix.astype(np.float32), name)
            for name, matrix in weights.items()
        ],
    )


def make_reflections() -> onnx.ModelProto:
    """OUTPUT0 = INPUT0 * R^REFLECTION_STEPS = INPUT0, for any number of rows.

    One row is a matrix times a vector, which waits for memory; many rows are computed in little more time.
    """
    v = np.random.default_rng(0).standard_normal(REFLECTION_WIDTH)
    v /= np.linalg.norm(v)
    reflection = np.eye(REFLECTION_WIDTH) - 2 * np.outer(v, v)
    names = ["INPUT0", *(f"x{i}" for i in range(1, REFLECTION_STEPS)), "OUTPUT0"]
    return _model(
        [
            helper.make_node("MatMul", [before, "reflection"], [after])
            for before, after in zip(names, names[1:])
        ],
        inputs=[_value("INPUT0", TensorProto.FLOAT, ["batch", REFLECTION_WIDTH])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["batch", REFLECTION_WIDTH])],
        weights=[numpy_helper.from_array(reflection.astype(np.float32), "reflection")],
    )


def make_running_sum() -> onnx.ModelProto:
    """OUTPUT0 = the sums of INPUT0 from the first row on: rows that depend on each other."""
    return _model(
        [helper.make_node("CumSum", ["INPUT0", "axis"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", TensorProto.FLOAT, ["time", 2])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["time", 2])],
        weights=[numpy_helper.from_array(np.array(0, np.int64), "axis")],
    )


def make_lookup() -> onnx.ModelProto:
    """OUTPUT0 = ten times INPUT0, looked up in a table that ends at 9: other inputs are an error."""
    return _model(
        [helper.make_node("Gather", ["table", "INPUT0"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", TensorProto.INT64, ["batch", 1])],
        outputs=[_value("OUTPUT0", TensorProto.INT64, ["batch", 1])],
        weights=[numpy_helper.from_array(np.arange(0, 100, 10, dtype=np.int64), "table")],
    )


def make_defaulted() -> onnx.ModelProto:
    """OUTPUT0 = INPUT0 + INPUT1, where INPUT1 is 1 unless it is given."""
    return _model(
        [helper.make_node("Add", ["INPUT0", "INPUT1"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", TensorProto.FLOAT, ["batch", 1]), _value("INPUT1", TensorProto.FLOAT, [1])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["batch", 1])],
        weights=[numpy_helper.from_array(np.ones(1, np.float32), "INPUT1")],
    )


def make_log() -> onnx.ModelProto:
    """OUTPUT0 = log(INPUT0), FP32 [rows, columns]: not finite from 0 down."""
    return _model(
        [helper.make_node("Log", ["INPUT0"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", TensorProto.FLOAT, ["rows", "columns"])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["rows", "columns"])],
    )


def make_wide() -> onnx.ModelProto:
    """OUTPUT0 = INPUT0 in reverse order, FP32 [1, WIDTH]: 2 MB of weights, computed at once."""
    reverse = np.eye(WIDTH, dtype=np.float32)[::-1].copy()
    return _model(
        [helper.make_node("MatMul", ["INPUT0", "reverse"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", TensorProto.FLOAT, [1, WIDTH])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, [1, WIDTH])],
        weights=[numpy_helper.from_array(reverse, "reverse")],
    )


def make_failing() -> onnx.ModelProto:
    """OUTPUT0 = a row of INPUT0, FP32 [rows, columns], that it does not have: every run fails."""
    return _model(
        [helper.make_node("Gather", ["INPUT0", "ROW"], ["OUTPUT0"])],
        inputs=[_value("INPUT0", TensorProto.FLOAT, ["rows", "columns"])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["picked", "columns"])],
        weights=[numpy_helper.from_array(np.array([10**6], dtype=np.int64), "ROW")],
    )


def make_linear() -> onnx.ModelProto:
    """OUTPUT0 = INPUT0 * W + b, FP64 [batch, 12] to [batch, 2].

    W[i, j] = (i + 1) / 8 * (-1)^(i + j) and b = [0.5, -0.25]: what each element adds is known exactly.
    """
    rows, columns = np.indices((12, 2))
    weights = (rows + 1) / 8 * (-1.0) ** (rows + columns)
    return _model(
        [
            helper.make_node("MatMul", ["INPUT0", "weights"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["OUTPUT0"]),
        ],
        inputs=[_value("INPUT0", TensorProto.DOUBLE, ["batch", 12])],
        outputs=[_value("OUTPUT0", TensorProto.DOUBLE, ["batch", 2])],
        weights=[
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0.5, -0.25]), "bias"),
        ],
    )


def make_network() -> onnx.ModelProto:
    """softmax(tanh(INPUT0 * W1) * W2), FP32 [batch, 8] to [batch, 3]: features that act together."""
    draw = np.random.default_rng(1)
    return _model(
        [
            helper.make_node("MatMul", ["INPUT0", "first"], ["sums"]),
            helper.make_node("Tanh", ["sums"], ["hidden"]),
            helper.make_node("MatMul", ["hidden", "second"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["OUTPUT0"], axis=1),
        ],
        inputs=[_value("INPUT0", TensorProto.FLOAT, ["batch", 8])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["batch", 3])],
        weights=[
            numpy_helper.from_array(draw.standard_normal(shape).astype(np.float32), name)
            for name, shape in {"first": (8, 16), "second": (16, 3)}.items()
        ],
    )


def make_planted() -> onnx.ModelProto:
    """The largest correlation of INPUT0, FP32 [batch, 1, 16, 16], with a 4 by 4 checkerboard of 1 and -1."""
    rows, columns = np.indices((4, 4))
    pattern = ((-1.0) ** (rows + columns)).reshape(1, 1, 4, 4).astype(np.float32)
    return _model(
        [
            helper.make_node("Conv", ["INPUT0", "pattern"], ["matches"]),
            helper.make_node("ReduceMax", ["matches"], ["OUTPUT0"], axes=[2, 3], keepdims=0),
        ],
        inputs=[_value("INPUT0", TensorProto.FLOAT, ["batch", 1, 16, 16])],
        outputs=[_value("OUTPUT0", TensorProto.FLOAT, ["batch", 1])],
        weights=[numpy_helper.from_array(pattern, "pattern")],
    )


def main(output: Path) -> None:
    """Writes every model below `output`, which is made if it is missing."""
    for datatype, elem_type in DATATYPES.items():
        _write(output, f"identity_{datatype.lower()}", make_identity(elem_type))
    _write(output, "add_sub", make_add_sub())
    _write(output, "scalar", make_scalar())
    _write(output, "linear", make_linear())
    _write(output, "network", make_network())
    _write(output, "planted", make_planted())
    _write(output, "slow_matmul", make_slow_matmul())
    _write(output, "reflections", make_reflections())
    _write(output, "running_sum", make_running_sum())
    _write(output, "lookup", make_lookup())
    _write(output, "log", make_log())
    _write(output, "wide", make_wide())
    _write(output, "failing", make_failing())
    _write(output, "defaulted", make_defaulted())
    _write(output, "endless_loop", make_endless_loop())
    _write(output, "expand", make_expand())
    _file(output, "corrupt").write_bytes(b"\x00this is no ONNX file\xff" * 8)


def _value(name: str, elem_type: int, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, elem_type, shape)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: list[onnx.TensorProto] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializer=weights)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="serverless-onnx tests",
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _write(output: Path, name: str, model: onnx.ModelProto) -> None:
    onnx.save(model, _file(output, name))


def _file(output: Path, name: str) -> Path:
    path = output / name / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: make_models.py OUTPUT_DIR")
    main(Path(sys.argv[1]))
