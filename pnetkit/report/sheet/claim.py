"""CLAIM 2024: the checklist for artificial intelligence in medical imaging, its matters in our own words."""

from pnetkit.report.sheet import of_cohort as cohort
from pnetkit.report.sheet import of_method as method
from pnetkit.report.sheet import of_results as results
from pnetkit.report.sheet.values import Checklist, Item

_TITLE, _INTRODUCTION, _DESIGN = "Title and abstract", "Introduction", "Methods: study design"
_DATA, _REFERENCE, _PARTITIONS = "Methods: data", "Methods: reference standard", "Methods: partitions"
_TESTING, _MODEL, _TRAINING = "Methods: data for testing", "Methods: model", "Methods: training"
_EVALUATION, _CASES, _FIGURES = "Methods: evaluation", "Results: data", "Results: performance"
_DISCUSSION, _OTHER = "Discussion", "Other information"

CLAIM = Checklist(
    "claim",
    "CLAIM 2024",
    "Tejani AS et al., Radiology: Artificial Intelligence 2024;6(4):e240300, doi 10.1148/ryai.240300",
    (
        Item("1", _TITLE, "Title that names the kind of artificial intelligence"),
        Item("2", _TITLE, "Summary of design, methods, results and conclusions"),
        Item("3", _INTRODUCTION, "Background, intended use and clinical role"),
        Item("4", _INTRODUCTION, "Aims and hypotheses"),
        Item("5", _DESIGN, "Prospective or retrospective"),
        Item("6", _DESIGN, "Goal of the study"),
        Item(
            "7",
            _DATA,
            "Where the data come from",
            (cohort.source, cohort.size, cohort.sites),
            rest="hospitals or public sets with their addresses, and when the data were collected",
        ),
        Item(
            "8",
            _DATA,
            "Criteria of inclusion and exclusion",
            (cohort.set_aside,),
            rest="clinical criteria, by which cases came into the table at all",
        ),
        Item("9", _DATA, "Preprocessing of images", (method.preprocessing,)),
        Item("10", _DATA, "Selection of parts of the data", (cohort.flow,), rest="how cases of the table were chosen"),
        Item("11", _DATA, "De-identification", rest="how images and table were de-identified before pnetkit saw them"),
        Item("12", _DATA, "Handling of missing data", (cohort.missing_phases, cohort.references)),
        Item(
            "13", _DATA, "Acquisition of images", (cohort.scans,), rest="scanners, tube settings and contrast protocol"
        ),
        Item(
            "14",
            _REFERENCE,
            "Definition of the reference standard",
            (cohort.references,),
            rest="how diagnoses and label maps were obtained",
            is_often_left_out=True,
        ),
        Item("15", _REFERENCE, "Reasons for this reference standard"),
        Item(
            "16",
            _REFERENCE,
            "Who annotated",
            rest="number, training and experience of annotators",
            is_often_left_out=True,
        ),
        Item(
            "17",
            _REFERENCE,
            "Annotation of the test data",
            (cohort.references, results.undefined),
            rest="procedure and software of annotation, and how its quality was controlled",
            is_often_left_out=True,
        ),
        Item(
            "18",
            _REFERENCE,
            "Variability within and between annotators",
            rest="its measurement, and how disagreements were settled",
            is_often_left_out=True,
        ),
        Item("19", _PARTITIONS, "How cases were assigned to partitions", (cohort.folds,)),
        Item("20", _PARTITIONS, "Level at which partitions are disjoint", (cohort.disjoint,)),
        Item(
            "21",
            _TESTING,
            "Intended sample size",
            (cohort.size,),
            rest="how the size was decided on before the study",
            is_often_left_out=True,
        ),
        Item("22", _MODEL, "The model in detail", (method.network, method.inference, method.cleaning, method.decision)),
        Item("23", _MODEL, "Software with versions", (method.software, method.hardware)),
        Item("24", _MODEL, "Initialization", (method.initialization,)),
        Item("25", _TRAINING, "Training in detail", (method.training,)),
        Item("26", _TRAINING, "Choice of the final model", (method.selection,)),
        Item("27", _TRAINING, "Ensembles", (method.ensemble,)),
        Item("28", _EVALUATION, "Measures of performance", (results.measures,), rest="why these"),
        Item("29", _EVALUATION, "Measures of uncertainty and significance", (results.uncertainty,)),
        Item(
            "30",
            _EVALUATION,
            "Robustness",
            (results.spread, results.lesions_by_size),
            rest="what else figures may depend on, as scanners, reconstructions or noise",
            is_often_left_out=True,
        ),
        Item("31", _EVALUATION, "Explainability", (method.decision,), rest="its validation, if any is claimed"),
        Item("32", _EVALUATION, "Testing on internal data", (cohort.folds, cohort.disjoint)),
        Item("33", _EVALUATION, "Testing on external data", rest="on which, or why not", is_often_left_out=True),
        Item("34", _EVALUATION, "Registration as a trial"),
        Item(
            "35",
            _CASES,
            "Numbers included and excluded",
            (cohort.flow,),
            rest="numbers before the table was put together",
        ),
        Item(
            "36",
            _CASES,
            "Characteristics of the cases of each partition",
            (cohort.folds, cohort.tumor_sizes),
            rest="age, sex, tumor grade, and what else may bias figures",
        ),
        Item("37", _FIGURES, "Performance with uncertainty", (results.accuracy,)),
        Item("38", _FIGURES, "Diagnostic accuracy with its precision", (results.cross_table, results.fused)),
        Item(
            "39",
            _FIGURES,
            "Analysis of wrong results",
            (results.failures,),
            rest="what they have in common, and what they would mean for patients",
            is_often_left_out=True,
        ),
        Item("40", _DISCUSSION, "Limitations"),
        Item("41", _DISCUSSION, "What follows for practice"),
        Item("42", _OTHER, "Protocol and further technical details", (method.outputs,), rest="the study's protocol"),
        Item(
            "43",
            _OTHER,
            "Availability of software, model and data",
            (method.code, cohort.source, method.data),
            rest="where code, trained networks and data can be had, and under which license",
            is_often_left_out=True,
        ),
        Item("44", _OTHER, "Funding"),
    ),
)
"""The checklist; what authors leave out most after J Evid Based Med 2026, e70141 (docs/report.md)."""
