"""The model folder: what it is made of, written so that no half of a version is ever seen."""

import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from export import INPUT_NAME, OUTPUT_NAME
from failure import TrainingFailed

MAX_BATCH_SIZE = 256
REQUEST_DECIMALS = 4


def config_pbtxt(
    name: str, image_shape: tuple[int, ...], classes: int, scan_side: int | None = None
) -> str:
    """The model's configuration in the text format of Triton Inference Server.

    scan_side: see `Dataset`; whoever draws a picture for the model scans it as coarsely.
    """
    scan = (
        ""
        if scan_side is None
        else f"""parameters {{
  key: "drawing_grid"
  value: {{ string_value: "{scan_side}" }}
}}
"""
    )
    return f"""name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: {MAX_BATCH_SIZE}
input [
  {{
    name: "{INPUT_NAME}"
    data_type: TYPE_FP32
    format: FORMAT_NCHW
    dims: [ {", ".join(map(str, image_shape))} ]
  }}
]
output [
  {{
    name: "{OUTPUT_NAME}"
    data_type: TYPE_FP32
    dims: [ {classes} ]
    label_filename: "labels.txt"
  }}
]
{scan}"""


def labels_txt(classes: tuple[str, ...]) -> str:
    """The name of every class, one a line, in the order of the network's outputs."""
    return "".join(f"{name}\n" for name in classes)


def metrics_json(metrics: dict[str, Any]) -> str:
    """Indented JSON with every list of numbers on one line: two runs compare line by line."""
    text = json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub(r"\[[\s\d.,e+-]+\]", lambda found: re.sub(r"\s+", " ", found[0]), text) + "\n"


def quantise(image: np.ndarray) -> np.ndarray:
    """Values 0..1 as the nearest of 256 levels, uint8 of the same shape: level / 255 is a value."""
    return np.round(image * 255).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    """A PNG of one image (float [3, height, width], 0..1), 8-bit; grey where its channels are equal."""
    levels = quantise(image)
    is_grey = bool((levels == levels[:1]).all())
    buffer = io.BytesIO()
    picture = Image.fromarray(levels[0] if is_grey else levels.transpose(1, 2, 0))
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def rounded(image: np.ndarray) -> np.ndarray:
    """The values that infer_request_json writes for an image, as the server reads them: float32."""
    return np.round(image.astype(np.float64), REQUEST_DECIMALS).astype(np.float32)


def infer_request_json(image: np.ndarray) -> str:
    """An Open Inference Protocol V2 request for one image (float [channels, height, width], 0..1).

    It asks for the three most probable classes with their labels instead of all probabilities. Four
    decimals, which is finer than the 256 levels of a picture; a row of pixels on a line.
    """
    outputs = f'[{{"name":"{OUTPUT_NAME}","parameters":{{"classification":3}}}}]'
    return f'{{"outputs":{outputs},"inputs":[{_image_tensor(image)}]}}\n'


def golden_json(image: np.ndarray, probabilities: np.ndarray) -> str:
    """A request for one image (float [channels, height, width], 0..1), and its answer.

    probabilities: float32 [1, classes], of `rounded(image)`. Whoever serves the model can hold its
    answer against this one.
    """
    # Nine digits are a float32, exactly.
    data = ",".join(f"{value:.9g}" for value in probabilities.ravel().tolist())
    shape = json.dumps(list(probabilities.shape), separators=(",", ":"))
    answer = f'{{"name":"{OUTPUT_NAME}","shape":{shape},"datatype":"FP32","data":[{data}]}}'
    return (
        f'{{"request":{{"inputs":[{_image_tensor(image)}]}},\n"response":{{"outputs":[{answer}]}}}}\n'
    )


def _image_tensor(image: np.ndarray) -> str:
    shape = json.dumps([1, *image.shape], separators=(",", ":"))
    values = np.round(image.astype(np.float64), REQUEST_DECIMALS).reshape(-1, image.shape[-1])
    data = ",\n".join(",".join(f"{value:g}" for value in row) for row in values)
    return f'{{"name":"{INPUT_NAME}","shape":{shape},"datatype":"FP32","data":[\n{data}\n]}}'


def check_same_model(output: Path, classes: tuple[str, ...]) -> None:
    """Raises TrainingFailed when `output` holds something other than versions of this model.

    config.pbtxt and labels.txt belong to the model, not to a version, so the labels in an existing
    folder have to be these; an empty or missing folder is fine.
    """
    if not output.exists() or not any(output.iterdir()):
        return
    labels = output / "labels.txt"
    found = labels.read_text(encoding="utf-8").split("\n") if labels.is_file() else []
    if found != [*classes, ""]:
        raise TrainingFailed(
            f"{output} holds another model: its labels.txt is missing or differs, "
            f"expected the labels {' '.join(classes)} or a new folder"
        )


def publish(files: dict[str, bytes], output: Path) -> None:
    """Writes files (path below `output` to content) in their order, each whole or not at all.

    The caller puts <version>/model.onnx last, for a version exists once it is there. An existing
    config.pbtxt stays, as a person may have added settings to it. Raises OSError.
    """
    output.mkdir(parents=True, exist_ok=True)
    # Inside the output, so that moving is a rename even where the folder is a mount of its own.
    with tempfile.TemporaryDirectory(prefix=".staged-", dir=output) as folder:
        staged = Path(folder)
        for path, content in files.items():
            _parent(staged / path).write_bytes(content)
        for path in files:
            if path == "config.pbtxt" and (output / path).exists():
                continue
            os.replace(staged / path, _parent(output / path))


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
