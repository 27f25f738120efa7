"""Take a study apart that comes as one multipart stream: each part is written as it arrives, and nothing is held."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from pnetkit.serve.http.bounds import Bounds, NewFile
from pnetkit.serve.http.names import numbered, of_phase, settle
from pnetkit.serve.http.refused import RequestError

DICOM_FIELD = "dicom"
"""The field of a form that holds an image of DICOM; the others are called as phases are."""

Placing = Callable[[Mapping[str, str], int], Path]
"""Says where a part is written, by its headers (names in lower case) and number."""


class Parts:
    """A stream of parts that is fed block by block; what is wrong with it raises RequestError."""

    def __init__(self, content_type: str, place: Placing, phases: Sequence[str], bounds: Bounds) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise RequestError(400, "its Content-Type names no boundary")
        self._place, self._phases, self._bounds = place, phases, bounds
        self._files: list[NewFile] = []
        self._open: NewFile | None = None
        self._headers: dict[str, str] = {}
        self._field, self._value, self._size, self._ended = b"", b"", 0, False
        try:
            self._parser = MultipartParser(boundary, {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._open_file,
                "on_part_data": self._data,
                "on_part_end": self._close_file,
                "on_end": self._end,
            })  # fmt: skip
        except (FormParserError, ValueError) as error:
            raise RequestError(400, "its boundary is none") from error

    def feed(self, block: bytes) -> None:
        """Take what comes next."""
        self._size += len(block)
        self._bounds.require_size(self._size)
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise RequestError(400, "it is no multipart stream") from error

    def finish(self) -> None:
        """Say that nothing more comes."""
        if not self._ended:
            raise RequestError(400, "it ends before its last part does")
        settle(self._files, self._phases)

    def abandon(self) -> None:
        """Close what is open, whatever it holds."""
        if self._open is not None:
            self._open.abandon()

    def _begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.decode("latin-1").lower()] = self._value.decode("latin-1")
        self._field, self._value = b"", b""

    def _open_file(self) -> None:
        self._bounds.require_files(len(self._files) + 1)
        path = self._place(self._headers, len(self._files))
        if path.exists():
            raise RequestError(422, f"holds {path.stem} twice")
        self._open = NewFile(path)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._open is not None:
            self._open.write(data[start:end])

    def _close_file(self) -> None:
        if self._open is not None:
            self._open.close()
            self._files.append(self._open)
            self._open = None

    def _end(self) -> None:
        self._ended = True


def form_into(folder: Path, phases: Sequence[str]) -> Placing:
    """Give what places the fields of a form: one a phase, or images of DICOM."""

    def place(headers: Mapping[str, str], number: int) -> Path:
        field = parse_options_header(headers.get("content-disposition", ""))[1].get(b"name", b"").decode("latin-1")
        if field == DICOM_FIELD:
            return numbered(folder, number)
        if field in phases:
            return of_phase(folder, field)
        raise RequestError(422, f"a field is none of {', '.join([DICOM_FIELD, *phases])}")

    return place


def images_into(folder: Path) -> Placing:
    """Give what places the images that a DICOMweb source sends."""
    return lambda _, number: numbered(folder, number)
