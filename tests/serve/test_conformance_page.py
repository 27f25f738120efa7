"""docs/dicom.md states what the node does: its tables are held to the code."""

import re
from pathlib import Path

from pynetdicom.sop_class import Verification

from pnetkit.dicom.syntaxes import TAKEN_AS_THEY_ARE
from pnetkit.serve import node
from pnetkit.serve.config import Dimse, Node, Retry, Stow
from pnetkit.serve.sending import RESULTS

PAGE = (Path(__file__).parents[2] / "docs" / "dicom.md").read_text(encoding="utf-8")


def uids(beginning):
    """Give the UIDs of the table that comes after a beginning."""
    table = PAGE.partition(beginning)[2].partition("|---")[2].partition("\n\n")[0]
    return re.findall(r"\| (1\.2\.840[\d.]+) \|", table)


def test_classes_and_syntaxes_are_those_of_the_node():
    assert uids("**SOP classes that are taken**") == [Verification, *node.TAKEN]
    assert uids("**Transfer syntaxes that are taken**") == list(TAKEN_AS_THEY_ARE)
    assert uids("**SOP classes that are sent**") == list(RESULTS)


def test_every_answer_is_listed():
    given = (node.SUCCESS, node.OUT_OF_RESOURCES, node.NOT_OF_ITS_CLASS, node.NOT_UNDERSTOOD, node.FAILED)
    assert [status for status in given if f"| {status:04X} |" not in PAGE] == []


def test_every_key_of_the_configuration_is_named():
    keys = {key for section in (Node, Dimse, Stow, Retry) for key in section.model_fields}
    assert [key for key in sorted(keys) if key not in PAGE] == []
