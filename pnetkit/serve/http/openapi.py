"""The OpenAPI document of the service, by hand: a test holds it to the routes, and to what they answer."""

from collections.abc import Sequence
from typing import Any

from pnetkit import __version__

_STATE = ["receiving", "waiting", "running", "ready", "refused", "failed", "sent", "given up"]

_NULL_OR_TEXT = {"type": ["string", "null"]}

SCHEMAS: dict[str, Any] = {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
    "Study": {
        "type": "object",
        "required": ["number", "state", "decision", "reason", "files", "research_use_only"],
        "properties": {
            "number": {"type": "integer", "minimum": 1},
            "state": {"enum": _STATE, "description": "ready: there is a finding. refused, failed: there is none."},
            "images": {"type": "integer", "minimum": 0},
            "received_at": {"type": "string", "format": "date-time"},
            "replaces": {"type": ["integer", "null"], "description": "The earlier study that this one replaces."},
            "decision": {"enum": ["normal", "abnormal", None], "description": "null is no negative: see reason."},
            "reason": {**_NULL_OR_TEXT, "description": "Why there is no finding."},
            "files": {"type": "array", "items": {"type": "string"}},
            "research_use_only": {"const": True},
        },
    },
    "Studies": {
        "type": "object",
        "required": ["studies"],
        "properties": {"studies": {"type": "array", "items": {"$ref": "#/components/schemas/Study"}}},
    },
    "Finding": {
        "type": "object",
        "required": ["decision", "score", "research_use_only"],
        "properties": {
            "decision": {"enum": ["normal", "abnormal"]},
            "score": {"type": "number", "description": "In units of its threshold: 1 and more is called."},
            "research_use_only": {"const": True},
        },
    },
    "Named": {
        "type": "object",
        "required": ["source", "study_uid"],
        "additionalProperties": False,
        "properties": {
            "source": {"type": "string", "description": "A DICOMweb source that the service is configured with."},
            "study_uid": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+){1,30}$", "maxLength": 64},
        },
    },
    "Link": {
        "type": "object",
        "required": ["url", "expires_s"],
        "properties": {"url": {"type": "string"}, "expires_s": {"type": "number"}},
    },
    "Ready": {
        "type": "object",
        "required": ["status", "workers_ready", "full"],
        "properties": {
            "status": {"enum": ["ready", "not ready"]},
            "workers_ready": {"type": "integer"},
            "full": {"type": "boolean"},
        },
    },
    "Health": {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}},
}

_ERRORS = {
    400: "Damaged, or no request.",
    401: "The token is missing or wrong.",
    403: "Another page asks.",
    404: "There is no such study or source, or its time is over.",
    408: "The client fell silent.",
    409: "There is no finding yet, or none at all, which is no negative.",
    413: "Larger than a study may be.",
    415: "Sent as something else than a study.",
    421: "Another machine asks, and there is no token.",
    422: "No study: neither DICOM nor NIfTI by phase, or no such source.",
    502: "The DICOMweb source does not give the study.",
    503: "Nothing more is taken for now; send again later.",
}


def document(phases: Sequence[str]) -> dict[str, Any]:
    """Give the document of a service whose model has these phases."""
    study = "/v1/studies/{number}"
    number = _parameter("number", {"type": "integer", "minimum": 1})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pnetkit serve http",
            "version": __version__,
            "description": "Submit CT studies, ask what became of them. For research use only, not for diagnosis.",
        },
        "security": [{"token": []}],
        "paths": {
            "/v1/studies": {
                "post": _submit(phases),
                "get": _operation("listStudies", "List the newest studies.", {200: _json("Studies")}),
            },
            study: {"get": _of(number, "getStudy", "Say what became of a study.", {200: _json("Study")})},
            f"{study}/finding": {"get": _of(number, "getFinding", "Give its finding.", {200: _json("Finding")}, 409)},
            f"{study}/segmentations/{{input}}": {
                "get": _of(
                    [*number, *_parameter("input", {"type": "string", "minLength": 1})],
                    "getSegmentation",
                    "Give the segmentation of an input, which is a phase as a rule: NIfTI on the scan's own grid.",
                    {200: _data("Labels: 1 pancreas, 2 tumor, 3 duct.", "application/gzip")},
                    409,
                )
            },
            f"{study}/files/{{name}}": {
                "get": _of(
                    [*number, *_parameter("name", {"type": "string", "minLength": 1})],
                    "getFile",
                    "Give a file of those that `files` lists.",
                    {200: _data("The file.", "*/*")},
                    409,
                )
            },
            f"{study}/report": {
                "get": _of(number, "getReport", "Give its page.", {200: _data("The page.", "text/html")}, 409)
            },
            f"{study}/report-link": {
                "post": _of(
                    number,
                    "linkReport",
                    "Give a link that opens the page once, for a minute, without a token.",
                    {200: _json("Link")},
                    409,
                )
            },
            "/metrics": {
                "get": _operation("getMetrics", "Metrics for Prometheus.", {200: _data("Text.", "text/plain")})
            },
            "/health": {"get": _open("getHealth", "Say that the service answers.", {200: _json("Health")})},
            "/ready": {
                "get": _open(
                    "getReady", "Say whether studies are screened.", {200: _json("Ready"), 503: _json("Ready")}
                )
            },
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _submit(phases: Sequence[str]) -> dict[str, Any]:
    binary = {"type": "string", "format": "binary"}
    closed = {"type": "object", "additionalProperties": False, "minProperties": 1}
    nifti = {phase: {**binary, "description": f"NIfTI of the phase {phase}."} for phase in phases}
    images = {"type": "array", "minItems": 1, "items": binary, "description": "Images of DICOM, one in a field each."}
    form = {"oneOf": [{**closed, "properties": nifti}, {**closed, "properties": {"dicom": images}}]}
    answers = {
        202: _json("Study") | {"description": "A new study, which waits."},
        200: _json("Study") | {"description": "The study was there already."},
    }
    said = "Take a study: a zip of DICOM or of NIfTI by phase, a form with its files, or the name of one elsewhere."
    operation = _operation("submitStudy", said, answers, 400, 404, 408, 413, 415, 422, 502, 503)
    named = {"schema": {"$ref": "#/components/schemas/Named"}}
    content = {
        "application/zip": {"schema": binary},
        "multipart/form-data": {"schema": form},
        "application/json": named,
    }
    return operation | {"requestBody": {"required": True, "content": content}}


def _operation(name: str, said: str, answers: dict[int, Any], *errors: int) -> dict[str, Any]:
    failed = {code: _json("Error") | {"description": _ERRORS[code]} for code in (401, 403, 421, *errors)}
    return {
        "operationId": name,
        "summary": said,
        "responses": {str(code): of for code, of in (answers | failed).items()},
    }


def _of(
    parameters: list[dict[str, Any]], name: str, said: str, answers: dict[int, Any], *errors: int
) -> dict[str, Any]:
    return _operation(name, said, answers, 404, *errors) | {"parameters": parameters}


def _open(name: str, said: str, answers: dict[int, Any]) -> dict[str, Any]:
    return _operation(name, said, answers) | {"security": []}


def _parameter(name: str, schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": schema}]


def _json(schema: str) -> dict[str, Any]:
    return {
        "description": schema,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _data(said: str, media: str) -> dict[str, Any]:
    return {"description": said, "content": {media: {"schema": {}}}}
