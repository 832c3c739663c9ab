"""What a result depends on besides the data and the options: the program, and what it runs on."""

import hashlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("numpy", "onnx", "onnxruntime", "pillow", "scikit-learn", "torch")


def code_sha256(own: Path | None) -> str:
    """Of the program's files by name and content, and of the user's own network."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    digest = hashlib.sha256()
    for file in [*files, *([own] if own else [])]:
        digest.update(f"{file.name}\n{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """No paths, hosts or times."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # scikit-learn is needed for the digits only.
            continue
    return found
