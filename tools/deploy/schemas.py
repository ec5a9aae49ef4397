#!/usr/bin/env python3
"""JSON schemas for kubeconform, made of what package registries have.

    tools/deploy/schemas.py OUTPUT KUBERNETES_VERSION DEFINITIONS.yaml...

KUBERNETES_VERSION is such as 1.33; its schemas come from the Python package kubernetes-validate. The files hold custom
resource definitions; other objects in them are passed over. What is written, and how kubeconform finds it:

    OUTPUT/core/v1.33-strict/deployment-apps-v1.json    {{.ResourceKind}}{{.KindSuffix}}
    OUTPUT/custom/keda.sh/scaledobject_v1alpha1.json    {{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}

Schemas of custom resources are strict: a field that the definition does not name is an error, as it is for an API
server when it is asked to be strict.
"""

import json
import pathlib
import sys

import kubernetes_validate
import yaml

# Bare `=` is a value of an enumeration in the definitions of Prometheus, and a type of its own in old YAML.
yaml.SafeLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def relative(part):
    """References are to files beside this one: an absolute `$id` would send kubeconform into the internet."""
    if isinstance(part, dict):
        if isinstance(part.get("$id"), str):
            del part["$id"]
        if isinstance(part.get("$ref"), str):
            part["$ref"] = part["$ref"].replace("/api/_definitions.json", "_definitions.json")
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            relative(inner)


def standard(schema):
    """From the dialect of an API server to plain JSON schema, and strict.

    Alternatives (`anyOf` and so on) are left alone: they name only what they differ in, so they must not be strict.
    """
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        # Says the same two types.
        schema.pop("anyOf", None)
        schema["oneOf"] = [{"type": "string"}, {"type": "integer"}]
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for part in inner:
        if isinstance(part, dict):
            standard(part)


def core(version, output):
    """Writes the strict schemas of a version of Kubernetes; says how many."""
    source = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    if not source.is_dir():
        sys.exit(f"schemas.py: kubernetes-validate has no schemas of Kubernetes {version}")
    folder = output / "core" / f"v{version}-strict"
    folder.mkdir(parents=True)
    files = sorted(source.glob("*.json"))
    for file in files:
        schema = json.loads(file.read_text())
        relative(schema)
        (folder / file.name).write_text(json.dumps(schema))
    return len(files)


def custom(file, output):
    """Writes the schemas of the custom resources that a file defines; yields their names."""
    for document in yaml.safe_load_all(file.read_text()):
        if not document or document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        for version in spec["versions"]:
            schema = version["schema"]["openAPIV3Schema"]
            standard(schema)
            # Common to all objects; definitions leave it to the API server.
            schema.setdefault("properties", {})["metadata"] = {"type": "object"}
            name = f"{spec['names']['kind'].lower()}_{version['name']}"
            path = output / "custom" / spec["group"] / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(schema))
            yield name


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (["--help"], ["-h"]) else 2)
    output, version = pathlib.Path(sys.argv[1]), sys.argv[2]
    count = core(version, output)
    names = [name for file in sys.argv[3:] for name in custom(pathlib.Path(file), output)]
    print(f"schemas of {count} files of Kubernetes {version} and {len(names)} versions of custom resources")


main()
