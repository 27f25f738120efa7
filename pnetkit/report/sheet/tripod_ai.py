"""TRIPOD+AI: reporting of prediction models, its matters in our own words."""

from pnetkit.report.sheet import of_cohort as cohort
from pnetkit.report.sheet import of_method as method
from pnetkit.report.sheet import of_results as results
from pnetkit.report.sheet.values import Checklist, Item

_TITLE, _INTRODUCTION, _DATA = "Title and abstract", "Introduction", "Methods: data and participants"
_OUTCOME, _ANALYSIS, _OPEN = "Methods: outcome and predictors", "Methods: analysis", "Open science"
_RESULTS, _DISCUSSION = "Results", "Discussion"

TRIPOD_AI = Checklist(
    "tripod-ai",
    "TRIPOD+AI",
    "Collins GS et al., BMJ 2024;385:e078378, doi 10.1136/bmj-2023-078378",
    (
        Item("1", _TITLE, "Title that names the model, the population and the outcome"),
        Item("2", _TITLE, "Abstract after TRIPOD+AI for abstracts"),
        Item("3a", _INTRODUCTION, "Context in care, and reasons for the model"),
        Item("3b", _INTRODUCTION, "Population, purpose and users"),
        Item("3c", _INTRODUCTION, "Known inequalities between groups of people"),
        Item("4", _INTRODUCTION, "Objectives: development, evaluation, or both"),
        Item(
            "5a",
            _DATA,
            "Sources of data for development and evaluation",
            (cohort.source, cohort.size, cohort.folds),
            rest="reasons for using these data, and whom they stand for",
        ),
        Item("5b", _DATA, "Dates of the data"),
        Item("6a", _DATA, "Setting and centers", (cohort.sites,), rest="setting, and places of the centers"),
        Item("6b", _DATA, "Criteria of eligibility", (cohort.set_aside,), rest="criteria for participants"),
        Item("6c", _DATA, "Treatments received"),
        Item("7", _DATA, "Preparation and checks of the data", (method.preprocessing, cohort.set_aside)),
        Item(
            "8a",
            _OUTCOME,
            "Definition of the outcome",
            (cohort.references,),
            rest="how and when diagnoses were made",
            is_often_left_out=True,
        ),
        Item(
            "8b",
            _OUTCOME,
            "Who assessed the outcome",
            rest="number, training and experience of those who diagnosed and annotated",
            is_often_left_out=True,
        ),
        Item("8c", _OUTCOME, "Blinding of those who assessed the outcome"),
        Item("9a", _OUTCOME, "Choice of predictors", (method.network,), rest="why the model sees these images"),
        Item(
            "9b", _OUTCOME, "Definition of predictors", (cohort.scans, method.decision), rest="how scans were acquired"
        ),
        Item("9c", _OUTCOME, "Who assessed predictors"),
        Item(
            "10",
            _ANALYSIS,
            "Sample size",
            (cohort.size,),
            rest="how the size was decided on, and that it suffices",
            is_often_left_out=True,
        ),
        Item("11", _ANALYSIS, "Handling of missing data", (cohort.missing_phases, cohort.references, results.unknown)),
        Item("12a", _ANALYSIS, "Use of data for development and evaluation", (cohort.folds, cohort.disjoint)),
        Item("12b", _ANALYSIS, "Handling of predictors", (method.preprocessing,)),
        Item(
            "12c",
            _ANALYSIS,
            "Type of model, steps of building it, internal validation",
            (
                method.network,
                method.training,
                method.initialization,
                method.selection,
                method.inference,
                method.cleaning,
                method.decision,
            ),
            rest="why this model, and how its settings were found",
        ),
        Item(
            "12d",
            _ANALYSIS,
            "Heterogeneity between clusters",
            (cohort.sites,),
            rest="how differences between sites were handled",
            is_often_left_out=True,
        ),
        Item("12e", _ANALYSIS, "Measures of performance", (results.measures, results.uncertainty), rest="why these"),
        Item("12f", _ANALYSIS, "Updating of the model"),
        Item("12g", _ANALYSIS, "How predictions were calculated", (method.inference, method.decision, method.ensemble)),
        Item("13", _ANALYSIS, "Imbalance of classes", (method.training,), rest="why, and what it does to calibration"),
        Item("14", _ANALYSIS, "Fairness"),
        Item("15", _ANALYSIS, "Output of the model, and its thresholds", (method.decision, method.thresholds)),
        Item(
            "16",
            _ANALYSIS,
            "Differences between development and evaluation",
            (cohort.folds,),
            rest="differences of external data, or that there are none",
        ),
        Item("17", _ANALYSIS, "Approval by an ethics committee, and consent"),
        Item("18a", _OPEN, "Funding"),
        Item("18b", _OPEN, "Conflicts of interest"),
        Item("18c", _OPEN, "Protocol"),
        Item("18d", _OPEN, "Registration"),
        Item(
            "18e",
            _OPEN,
            "Availability of data",
            (cohort.source, method.data),
            rest="where data can be had, and on which terms",
            is_often_left_out=True,
        ),
        Item(
            "18f",
            _OPEN,
            "Availability of code",
            (method.code,),
            rest="where code can be had, and under which license",
            is_often_left_out=True,
        ),
        Item("19", "Patients and public", "Their involvement"),
        Item("20a", _RESULTS, "Flow of participants", (cohort.flow,), rest="numbers before the table was put together"),
        Item(
            "20b",
            _RESULTS,
            "Characteristics of participants",
            (cohort.size, cohort.tumor_sizes, cohort.missing_phases),
            rest="age, sex, dates and treatments",
        ),
        Item("20c", _RESULTS, "Evaluation data beside development data", (cohort.folds,), rest="of external data"),
        Item(
            "21", _RESULTS, "Numbers of participants and outcomes in each analysis", (cohort.folds, results.cross_table)
        ),
        Item(
            "22",
            _RESULTS,
            "The full model",
            (method.network, method.code),
            rest="where networks can be had (`pnetkit export` makes a model folder of the run)",
        ),
        Item("23a", _RESULTS, "Performance with intervals", (results.accuracy,), rest="of groups of people"),
        Item(
            "23b",
            _RESULTS,
            "Heterogeneity of performance",
            (results.spread, results.lesions_by_size),
            rest="figures by site",
            is_often_left_out=True,
        ),
        Item("24", _RESULTS, "Results of updating"),
        Item(
            "25",
            _DISCUSSION,
            "Interpretation",
            (results.failures,),
            rest="what results mean, wrong ones among them",
            is_often_left_out=True,
        ),
        Item("26", _DISCUSSION, "Limitations"),
        Item(
            "27a",
            _DISCUSSION,
            "Poor or missing input in use",
            (cohort.missing_phases,),
            rest="how poor scans are told in practice",
        ),
        Item("27b", _DISCUSSION, "What users have to do and to know"),
        Item("27c", _DISCUSSION, "Next steps"),
    ),
)
"""The checklist: 27 items in 52 rows."""
