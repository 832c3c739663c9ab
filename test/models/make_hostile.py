"""Makes models whose data are kept in other files, in ways that a server has to refuse.

`make_hostile.py OUTPUT_DIR` writes `OUTPUT_DIR/secret.bin` and a folder `OUTPUT_DIR/<name>/1` per
model, each OUTPUT0 [64] = INPUT0 [64] + 64 numbers of another file:

plain          from weights.bin beside it: nothing is wrong with this one
parent         from ../../secret.bin
absolute       from /…/secret.bin
symlink        from a link to secret.bin
folder_link    from a file in a folder that is a link to OUTPUT_DIR
hard_link      from a second name of secret.bin
missing        from a file that is not there
url            from https://example.com/weights.bin
offset         from 2^62 on
length         2^62 bytes of it
past_the_end   from the last byte on
"""

import os
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

COUNT = 64
BYTES = 4 * COUNT


def make(folder: Path, location: str, offset: int = 0, length: int = BYTES) -> None:
    """Writes the model, whose data are at `location`, without asking whether that is any good."""
    tensor = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=[COUNT])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    graph = helper.make_graph(
        [helper.make_node("Add", ["INPUT0", "W"], ["OUTPUT0"])],
        "hostile",
        [helper.make_tensor_value_info("INPUT0", TensorProto.FLOAT, [COUNT])],
        [helper.make_tensor_value_info("OUTPUT0", TensorProto.FLOAT, [COUNT])],
    )
    graph.initializer.append(tensor)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def main(output: Path) -> None:
    """Makes them all."""
    secret = output / "secret.bin"
    weights = np.arange(COUNT, dtype=np.float32).tobytes()
    secret.write_bytes(weights)
    cases: dict[str, dict[str, object]] = {
        "plain": {"location": "weights.bin"},
        "parent": {"location": "../../secret.bin"},
        "absolute": {"location": str(secret)},
        "symlink": {"location": "link.bin"},
        "folder_link": {"location": "folder/secret.bin"},
        "hard_link": {"location": "second.bin"},
        "missing": {"location": "none.bin"},
        "url": {"location": "https://example.com/weights.bin"},
        "offset": {"location": "weights.bin", "offset": 2**62},
        "length": {"location": "weights.bin", "length": 2**62},
        "past_the_end": {"location": "weights.bin", "offset": BYTES - 1},
    }
    for name, case in cases.items():
        folder = output / name / "1"
        folder.mkdir(parents=True)
        (folder / "weights.bin").write_bytes(weights)
        make(folder, **case)  # type: ignore[arg-type]
    (output / "symlink/1/link.bin").symlink_to(secret)
    (output / "folder_link/1/folder").symlink_to(output)
    os.link(secret, output / "hard_link/1/second.bin")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
