"""openapi-spec-validator judges the document that the server gives of its HTTP API."""

import copy
import json
import os
import urllib.request

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError


def document():
    # Nobody has to log in for it.
    url = f"http://127.0.0.1:{os.environ['ADMIN_PORT']}/api/landfall/openapi.json"
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("application/json")
        return json.load(answer)


def test_it_is_a_document_of_openapi():
    said = document()
    assert said["openapi"].startswith("3.1.")
    assert len(said["paths"]) > 80
    validate(said, cls=OpenAPIV31SpecValidator)


def test_the_judge_sees_what_is_missing():
    said = copy.deepcopy(document())
    path = next(path for path in said["paths"] if "{" in path)
    for operation in said["paths"][path].values():
        operation["parameters"] = []
    with pytest.raises(OpenAPIValidationError):
        validate(said, cls=OpenAPIV31SpecValidator)
