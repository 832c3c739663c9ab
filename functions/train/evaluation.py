"""The held-out images as an archive: what every version of a model is judged by, wherever it was trained."""

import io
import tarfile

import artifact
from data import Part

DIGITS = 5


def tar(part: Part, classes: tuple[str, ...]) -> bytes:
    """An uncompressed tar of `<class>/<number>.png`, in 256 levels and sorted by path.

    part: its images as the network takes them. classes: the names by label, each a folder's name.
    The same part gives the same bytes: there are no times and no users in it.
    """
    files = {
        f"{classes[label]}/{number:0{DIGITS}}.png": artifact.png(image)
        for number, (image, label) in enumerate(zip(part.images, part.labels))
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            # Its time, user and group are 0, and its mode is 0644.
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
