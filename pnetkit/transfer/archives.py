"""Hold a file to sane sizes before anything of it is loaded: an archive can promise more than it holds."""

import zipfile
from pathlib import Path

from pnetkit.errors import WeightsError

LARGEST_BYTES = 16 * 2**30
"""The largest file of weights that is read."""

LARGEST_PICKLE_BYTES = 64 * 2**20
"""The most that the structure beside the tensors may take."""

LARGEST_TEXT_BYTES = 32 * 2**20
"""The largest JSON or YAML that is read."""

MOST_ENTRIES = 100_000
"""The most files in an archive."""

MOST_TIMES = 100
"""How many times smaller than its content a packed file may be; torch does not pack at all."""


def require_sane(path: Path) -> int:
    """Hold a file of weights to sizes that one may have, and give its bytes.

    Raises:
        WeightsError: it is missing, too large, or an archive that unpacks to far more than it is.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file.")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise WeightsError(f"{path}: has {size / 2**30:.1f} GiB; weights of up to {LARGEST_BYTES >> 30} GiB are read.")
    if not zipfile.is_zipfile(path):
        return size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise WeightsError(f"{path}: is a damaged archive ({error}). Copy it again.") from error
    if len(entries) > MOST_ENTRIES:
        raise WeightsError(f"{path}: holds {len(entries)} files, which no weights do. It is not read.")
    packed, content = sum(of.compress_size for of in entries), sum(of.file_size for of in entries)
    bomb = [of for of in entries if of.file_size > MOST_TIMES * of.compress_size + 2**20]
    if bomb or packed > size or content > LARGEST_BYTES:
        raise WeightsError(
            f"{path}: has {size:,} bytes and says that it unpacks to {content:,}, as archives do that are made to fill "
            f"a machine. It is not read."
        )
    structure = [of for of in entries if of.filename.endswith(".pkl") and of.file_size > LARGEST_PICKLE_BYTES]
    if structure:
        raise WeightsError(f"{path}: its {structure[0].filename} has {structure[0].file_size:,} bytes; it is not read.")
    return size


def read_text(path: Path) -> str:
    """Read a description beside weights. Raises WeightsError where it is missing, too large or no text."""
    try:
        if path.stat().st_size > LARGEST_TEXT_BYTES:
            raise WeightsError(f"{path}: has {path.stat().st_size:,} bytes; up to {LARGEST_TEXT_BYTES:,} are read.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}).") from error
