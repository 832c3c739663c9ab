"""The one error that ends a run with a sentence instead of a traceback."""


class TrainingFailed(Exception):
    """The run can't give a usable model; the message is one sentence for whoever started it."""
