"""Padding that a header names is air, also where the header's value could be tissue."""

import numpy as np
import pydicom
import pytest

from pnetkit.dicom.padding import without_padding
from pnetkit.dicom.series import find_series
from pnetkit.dicom.volume import read_series
from tests.dicom.synthetic import AFFINE, some_hu, write_series

EDGE = np.s_[:2, :, :]


def read_padded(folder, value, *, limit=None, stored=None, signed=False):
    """Write a series whose first columns hold a stored value, which its headers call padding; give HU before, after."""
    hu = some_hu((12, 10, 4))
    hu[EDGE] = (value if stored is None else stored) - 1024

    def name(dataset, _):
        dataset.add_new("PixelPaddingValue", "US", value)
        if limit is not None:
            dataset.PixelPaddingRangeLimit = limit
        if signed:
            dataset.PixelRepresentation = 1

    write_series(folder, hu, AFFINE, change=name)
    (series,) = find_series(folder).series
    return hu, read_series(series).scan.hu


def test_a_series_without_padding_is_as_it_was_stored(tmp_path):
    hu = some_hu((12, 10, 4))
    write_series(tmp_path, hu, AFFINE)
    (series,) = find_series(tmp_path).series
    assert np.array_equal(read_series(series).scan.hu, hu)


@pytest.mark.parametrize("value", [0, 1000, 1064, 4095])
def test_what_a_header_calls_padding_is_air_at_the_border_and_the_same_value_elsewhere_is_kept(tmp_path, value):
    hu, found = read_padded(tmp_path, value)
    assert (found[EDGE] == -1000).all()
    assert np.array_equal(found[3:], np.maximum(hu[3:], -1024))


def test_a_range_of_padding_is_air(tmp_path):
    _, found = read_padded(tmp_path, 1000, limit=1010, stored=1005)
    assert (found[EDGE] == -1000).all()


def test_padding_of_signed_images_that_is_written_as_unsigned_is_found(tmp_path):
    _, found = read_padded(tmp_path, 2**16 - 2000, stored=-2000, signed=True)
    assert (found[EDGE] == -1000).all()


def test_tissue_in_a_range_of_padding_that_begins_at_air_is_kept_where_it_does_not_reach_the_border():
    header = pydicom.Dataset()
    header.add_new("PixelPaddingValue", "US", 0)
    header.add_new("PixelPaddingRangeLimit", "US", 1100)
    stored = np.full((6, 6), 2000)
    stored[:, 0], stored[3, 3] = 10, 1064
    found = without_padding(header, stored, stored - 1024)
    assert (found[:, 0] == -1000).all()
    assert found[3, 3] == 40
    assert (np.delete(found[:, 1:].ravel(), 3 * 5 + 2) == 976).all()
