"""Say which study an image belongs to that has just come, by the first part of its bytes alone."""

from io import BytesIO

from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from pnetkit.errors import ImageError

_STUDY = 0x0020000D


def identified(stream: BytesIO, transfer_syntax: str) -> tuple[str, str, str]:
    """Read SOP class, instance and study UID of an encoded dataset, and nothing behind them.

    Raises:
        ImageError: the bytes are no dataset of this transfer syntax, or name no study.
    """
    syntax = UID(transfer_syntax)

    def is_behind(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return bool(tag > _STUDY)

    try:
        found = read_dataset(stream, syntax.is_implicit_VR, syntax.is_little_endian, stop_when=is_behind)
        uids = [found.get(name) for name in ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID")]
    except Exception as error:  # noqa: BLE001  # pydicom raises whatever its parsers meet in damaged bytes
        raise ImageError(f"The dataset cannot be read ({type(error).__name__}).") from None
    if any(not isinstance(uid, str) or not uid for uid in uids):
        raise ImageError("The dataset lacks its SOP class, instance or study UID.")
    one, other, study = map(str, uids)
    return one, other, study
