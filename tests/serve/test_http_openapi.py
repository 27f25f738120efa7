"""The OpenAPI document is that of the service: its paths, its answers, and what it says of both."""

import re

import pytest

from pnetkit.serve.http.app import OPEN
from pnetkit.serve.http.openapi import document
from tests.serve.http_parts import PHASES, TOKEN, Made, study, zipped

API = document(PHASES)

NOT_IN_IT = {"/", "/page.js", "/page.css", "/favicon.ico", "/openapi.json", "/report/{ticket}"}
"""The page, the document itself, and links that are followed once."""


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path / "state")


def test_every_route_is_in_the_document_and_nothing_else(tmp_path):
    made = Made(tmp_path / "state")
    routes = made.app.routes
    there = {(re.sub(r":int\}", "}", route.path), method.lower()) for route in routes for method in route.methods}
    there = {(path, method) for path, method in there if path not in NOT_IN_IT and method != "head"}
    assert there == {(path, method) for path, of in API["paths"].items() for method in of}


def test_what_needs_no_token_says_so():
    free = {path for path, of in API["paths"].items() for operation in of.values() if operation.get("security") == []}
    assert free == set(OPEN) - NOT_IN_IT


def references(value):
    if isinstance(value, dict):
        yield from [value["$ref"]] if "$ref" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere_and_every_parameter_is_in_its_path():
    for reference in references(API):
        assert reference.removeprefix("#/components/schemas/") in API["components"]["schemas"]
    names = [of["operationId"] for path in API["paths"].values() for of in path.values()]
    assert len(names) == len(set(names))
    for path, operations in API["paths"].items():
        for of in operations.values():
            assert {item["name"] for item in of.get("parameters", [])} == set(re.findall(r"\{(\w+)\}", path))


def test_the_document_is_openapi():
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(API)


def holds(schema, value):
    """Hold a value to the few words of JSON Schema that the document uses."""
    if "$ref" in schema:
        schema = API["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None),
             "boolean": bool}  # fmt: skip
    said = schema.get("type", [])
    said = [said] if isinstance(said, str) else said
    assert not said or any(isinstance(value, kinds[kind]) for kind in said), (schema, value)
    assert "const" not in schema or value == schema["const"]
    assert "enum" not in schema or value in schema["enum"]
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= value.keys()
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                holds(inner, value[name])
    for item in value if isinstance(value, list) else []:
        holds(schema.get("items", {}), item)


def test_answers_are_what_the_document_says_they_are(made):
    seen = set()

    def asked(method, path, template, **options):
        answer = made.ask(method, path, **options)
        said = API["paths"][template][method.lower()]["responses"][str(answer.status_code)]
        ((media, of),) = said["content"].items()
        if media == "application/json":
            holds(of["schema"], answer.json())
        else:
            assert media == "*/*" or answer.headers["content-type"].startswith(media)
        seen.add((template, method.lower()))
        return answer

    number = "/v1/studies/{number}"
    zip_headers = {"content-type": "application/zip"}
    asked("POST", "/v1/studies", "/v1/studies", content=study("one"), headers=zip_headers)
    asked("POST", "/v1/studies", "/v1/studies", content=study("one"), headers=zip_headers)
    asked("POST", "/v1/studies", "/v1/studies", content=b"x", headers=zip_headers)
    asked("POST", "/v1/studies", "/v1/studies", content=b"x", headers={"content-type": "text/plain"})
    asked("GET", "/v1/studies/1/finding", f"{number}/finding")
    asked("POST", "/v1/studies", "/v1/studies", content=zipped({"a": b"REFUSE"}), headers=zip_headers)
    made.screen()
    for n in (1, 2, 3):
        for tail, template in (("", ""), ("/finding", "/finding"), ("/report", "/report"),
                               ("/segmentations/venous", "/segmentations/{input}"),
                               ("/files/finding.json", "/files/{name}")):  # fmt: skip
            asked("GET", f"/v1/studies/{n}{tail}", f"{number}{template}")
        asked("POST", f"/v1/studies/{n}/report-link", f"{number}/report-link")
    for path in ("/v1/studies", "/health", "/ready", "/metrics"):
        asked("GET", path, path)
    asked("GET", "/v1/studies", "/v1/studies", headers={"authorization": ""})
    assert seen == {(path, method) for path, of in API["paths"].items() for method in of}


@pytest.mark.slow
def test_schemathesis_finds_no_answer_that_the_document_does_not_have(made):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection

    excluded = [ignored_auth, negative_data_rejection]
    """The first sends our header again; the second does not know that one field of a form is a list of one."""

    made.submit(study("one"))
    made.screen()
    schema = schemathesis.openapi.from_asgi("/openapi.json", made.app)
    few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    for operation in schema.get_all_operations():

        @few
        @given(case=operation.ok().as_strategy())
        def check(case):
            case.call_and_validate(headers={"authorization": f"Bearer {TOKEN}"}, excluded_checks=excluded)

        check()
