"""What SageMaker tells a training job by its environment.

The contract of its training toolkit (github.com/aws/sagemaker-training-toolkit, ENVIRONMENT_VARIABLES.md); locally
none of it is set.
"""

import os
from pathlib import Path

# SageMaker returns so many characters as the job's FailureReason.
MAX_REASON = 1024


def channel() -> Path | None:
    """The folder of the channel `training`."""
    return _path("SM_CHANNEL_TRAINING")


def model_folder() -> Path | None:
    """The folder whose files become the job's output."""
    return _path("SM_MODEL_DIR")


def checkpoint_folder() -> Path | None:
    """The folder that is kept in S3 while the job runs, where its definition asks for checkpoints."""
    output = _path("SM_OUTPUT_DIR")
    folder = output.parent / "checkpoints" if output else None
    return folder if folder and folder.is_dir() else None


def report_failure(sentence: str) -> None:
    """Makes the sentence the job's FailureReason; the toolkit keeps a file that is there already."""
    output = _path("SM_OUTPUT_DIR")
    if output is None:
        return
    try:
        (output / "failure").write_text(sentence[:MAX_REASON], encoding="utf-8")
    except OSError:
        # The toolkit then writes what it has seen on stderr, which has the same sentence.
        pass


def _path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None
