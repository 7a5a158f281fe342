"""An OpenAPI 3.1 document of the REST API, with the models that are loaded.

Each model has paths of its own, because each has bodies of its own; the document is as old
as the moment that it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from servable.tensors import Signature
from servable.wire import json_example, openapi_schemas
from servable.wire.openapi_schemas import Schema
from servable.wire.status import unicode_text

DENSE = ("application/x-protobuf", "application/x-npy", "application/x-npz")
"""Media types of bodies beside JSON that need no further headers."""

_BINARY: Schema = {"schema": {"description": "Bytes; see the page about protocols."}}
_NO_SIGNATURE = "JSON has no form for any signature of this model."


@dataclass(frozen=True, slots=True)
class ModelPage:
    """A model as the document shows it.

    Attributes:
        name: its name.
        versions: those that can be asked.
        signatures: those of the newest.
        classify, regress: the signatures that can be used so.
    """

    name: str
    versions: Sequence[int]
    signatures: Mapping[str, Signature]
    classify: Sequence[str] = ()
    regress: Sequence[str] = ()


def document(software_version: str, models: Sequence[ModelPage]) -> bytes:
    """Return the document as JSON."""
    paths: dict[str, Schema] = {
        "/v1/models": {"get": _get("list_models", "All models and their versions", "ModelList")}
    }
    for model in models:
        paths |= _paths(model)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Servable", "version": software_version},
            "tags": [{"name": unicode_text(model.name)} for model in models],
            "paths": paths,
            "components": {"schemas": _SCHEMAS, "responses": {"Refused": _REFUSED}},
        }
    )


def _paths(model: ModelPage) -> dict[str, Schema]:
    operations = {":predict": _predict(model)}
    if model.classify:
        operations[":classify"] = _infer(model, "classify", model.classify, _CLASSES)
    if model.regress:
        operations[":regress"] = _infer(model, "regress", model.regress, _VALUES)
    tag = [unicode_text(model.name)]
    base = f"/v1/models/{quote(model.name, safe='', errors='replace')}"
    version: Schema = {
        "name": "version",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
        "examples": {str(number): {"value": str(number)} for number in model.versions[:5]},
    }
    paths: dict[str, Schema] = {}
    for prefix, place, parameters in (
        (base, "", []),
        (f"{base}/versions/{{version}}", "_version", [version]),
    ):
        for suffix, operation in operations.items():
            id = f"{suffix[1:]}{place}_{tag[0]}"
            paths[prefix + suffix] = {
                "post": {"operationId": id, "tags": tag, "parameters": parameters, **operation}
            }
        for suffix, what, schema in (
            ("", "status", "ModelStatus"),
            ("/metadata", "metadata", "ModelMetadata"),
        ):
            get = _get(f"{what}{place}_{tag[0]}", f"The {what} of {tag[0]}", schema)
            paths[prefix + suffix] = {"get": {"tags": tag, "parameters": parameters, **get}}
    return paths


def _predict(model: ModelPage) -> Schema:
    requests: list[Schema] = []
    responses: list[Schema] = []
    examples: dict[str, Schema] = {}
    for name, signature in model.signatures.items():
        if not openapi_schemas.has_json(signature):
            continue
        rows = openapi_schemas.rows_request(name, signature)
        if rows is not None:
            requests.append(rows)
            responses.append(openapi_schemas.rows_response(signature))
        requests.append(openapi_schemas.columns_request(name, signature))
        responses.append(openapi_schemas.columns_response(signature))
        for layout, example in openapi_schemas.examples(name, signature).items():
            examples[f"{name}, {layout}"] = example
    content: dict[str, Schema] = dict.fromkeys(DENSE, _BINARY)
    answered: dict[str, Schema] = dict.fromkeys(DENSE, _BINARY)
    if requests:
        content = {"application/json": _media({"anyOf": requests}, examples), **content}
        answered = {"application/json": _media({"anyOf": responses}), **answered}
    described = "; ".join(f"{name}{signature}" for name, signature in model.signatures.items())
    return {
        "summary": f"Predict with {unicode_text(model.name)}",
        "description": unicode_text(described if requests else f"{_NO_SIGNATURE} {described}"),
        "requestBody": {"required": True, "content": content},
        "responses": _responses(answered),
    }


def _infer(model: ModelPage, verb: str, names: Sequence[str], answered: Schema) -> Schema:
    bodies: list[Schema] = []
    examples: dict[str, Schema] = {}
    for name in names:
        signature = model.signatures[name]
        default = name == "serving_default"
        one = openapi_schemas.features(signature)
        bodies.append(
            {
                "title": name,
                "type": "object",
                "properties": {
                    "signature_name": {"type": "string", "enum": ["", name] if default else [name]},
                    "context": one,
                    "examples": {"type": "array", "items": one, "minItems": 1},
                },
                "required": ["examples"] if default else ["signature_name", "examples"],
            }
        )
        example = json_example.examples(name, signature)
        if example is not None and example.complete:
            examples[name] = {"value": orjson.loads(example.body)}
    return {
        "summary": f"{verb.title()} with {unicode_text(model.name)}",
        "requestBody": {
            "required": True,
            "content": {"application/json": _media({"anyOf": bodies}, examples)},
        },
        "responses": _responses({"application/json": _media(answered)}),
    }


def _get(id: str, summary: str, schema: str) -> Schema:
    answered = _media({"$ref": f"#/components/schemas/{schema}"})
    return {
        "operationId": id,
        "summary": summary,
        "responses": _responses({"application/json": answered}),
    }


def _media(schema: Schema, examples: Mapping[str, Schema] | None = None) -> Schema:
    return {"schema": schema, **({"examples": dict(examples)} if examples else {})}


def _responses(content: Mapping[str, Schema]) -> dict[str, Any]:
    return {
        "200": {"description": "The answer", "content": dict(content)},
        "default": {"$ref": "#/components/responses/Refused"},
    }


_TEXT: Schema = {"type": "string"}
_STATUS: Schema = {
    "type": "object",
    "properties": {
        "version": _TEXT,
        "state": {"type": "string", "enum": ["START", "LOADING", "AVAILABLE", "UNLOADING", "END"]},
        "status": {
            "type": "object",
            "properties": {"error_code": _TEXT, "error_message": _TEXT},
        },
    },
}
_SCHEMAS: Mapping[str, Schema] = {
    "Error": {
        "type": "object",
        "properties": {"error": _TEXT, "hint": _TEXT},
        "required": ["error"],
    },
    "VersionStatus": _STATUS,
    "ModelStatus": {
        "type": "object",
        "properties": {
            "model_version_status": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/VersionStatus"},
            }
        },
        "required": ["model_version_status"],
    },
    "ModelMetadata": {
        "type": "object",
        "properties": {"model_spec": {"type": "object"}, "metadata": {"type": "object"}},
        "required": ["model_spec", "metadata"],
    },
    "ModelList": {
        "type": "object",
        "properties": {
            "models": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": _TEXT,
                        "versions": {
                            "type": "array",
                            "items": {"$ref": "#/components/schemas/VersionStatus"},
                        },
                    },
                },
            }
        },
        "required": ["models"],
    },
}
_REFUSED: Schema = {
    "description": "Why there is no answer",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_CLASSES: Schema = {
    "type": "object",
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "array",
                "description": "A label and its score for each class",
                # `prefixItems` would say more, and common tools can not read it.
                "items": {
                    "type": "array",
                    "items": {"anyOf": [_TEXT, {"type": "number"}]},
                    "minItems": 2,
                    "maxItems": 2,
                },
            },
        }
    },
    "required": ["results"],
}
_VALUES: Schema = {
    "type": "object",
    "properties": {"results": {"type": "array", "items": {"type": "number"}}},
    "required": ["results"],
}
