"""Find images that may belong to a study and lie in none for sure: while there are some, no phase is missing."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pnetkit.dicom.patient import contradictions, may_be_one, said_of_patient
from pnetkit.dicom.series import Found, Series


def homeless(study: Sequence[Series], found: Found) -> list[str]:
    """Say in words which images of a folder may belong to a study of it, beside those that it has.

    They are files that cannot be read and lie beside no image of any study, series without a StudyInstanceUID where
    the study has one, and series of a study of two patients; images of another patient are none.
    """
    places = {instance.path.parent for series in found.series for instance in series.instances}
    said = [str(fault) for fault in found.faults if Path(fault.where).parent not in places]
    others: dict[str, list[Series]] = defaultdict(list)
    for series in found.series:
        if series.study_uid != study[0].study_uid:
            others[series.study_uid].append(series)
    own = said_of_patient(instance for series in study for instance in series.instances)
    has_uid = "StudyInstanceUID" not in study[0].made_up
    for of in others.values():
        unnamed = has_uid and "StudyInstanceUID" in of[0].made_up
        if unnamed or contradictions(instance for series in of for instance in series.instances):
            why = "has no StudyInstanceUID" if unnamed else "lies in a study of two patients"
            alike = [series for series in of if may_be_one(own, said_of_patient(series.instances))]
            said += [f"the series {series.in_words} {why}" for series in alike]
    return said
