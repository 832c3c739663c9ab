"""Arrays for every datatype, with the values at its edges."""

import numpy as np

ARRAYS = {
    "BOOL": np.array([[True, False], [False, True]]),
    "UINT8": np.array([[0, 1], [254, 255]], np.uint8),
    "UINT16": np.array([[0, 1], [65534, 65535]], np.uint16),
    "UINT32": np.array([[0, 1], [2**32 - 2, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 1], [2**53 + 1, 2**64 - 1]], np.uint64),
    "INT8": np.array([[-128, -1], [0, 127]], np.int8),
    "INT16": np.array([[-(2**15), -1], [0, 2**15 - 1]], np.int16),
    "INT32": np.array([[-(2**31), -1], [0, 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), -1], [2**53 + 1, 2**63 - 1]], np.int64),
    "FP16": np.array([[0.5, -65504], [np.nan, np.inf]], np.float16),
    "FP32": np.array([[0.1, -np.inf], [np.nan, 3.4028235e38]], np.float32),
    "FP64": np.array([[0.1, np.inf], [np.nan, 5e-324]], np.float64),
    "BYTES": np.array([["", "text"], ["h\u00e9", "\U0001f600"]], np.object_),
}


def plain(array: np.ndarray) -> list:
    """Elements as Python values, bytes as text: what two arrays of objects are compared by."""
    return [item.decode() if isinstance(item, bytes) else item for item in array.flatten().tolist()]


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    """Same shape and elements, NaN equal to NaN."""
    assert got.shape == expected.shape
    if expected.dtype == np.object_:
        assert plain(got) == plain(expected)
    else:
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
