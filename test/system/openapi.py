"""A client that knows a hub only by its OpenAPI document: it asks every operation that reads, and holds each answer against
the document.

usage: openapi.py URL TOKEN
Prints JSON: `calls`, one for each request, and `problems`, what is not as the document says.
"""
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

from jsonschema import Draft202012Validator

url, token = sys.argv[1:]
problems = []
calls = []


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


opener = urllib.request.build_opener(NoRedirect)


def ask(path, method="GET", headers=None, body=None):
    """Returns status, media type and body; of a stream without end, its beginning."""
    request = urllib.request.Request(url + path, data=body, method=method, headers=headers or {})
    try:
        answer = opener.open(request, timeout=20)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        media = answer.headers.get_content_type() if answer.headers.get("Content-Type") else ""
        content = answer.readline() if media == "text/event-stream" else answer.read()
        return answer.status if hasattr(answer, "status") else answer.code, media, content


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def resolve(document, reference):
    value = document
    for key in reference.removeprefix("#/").split("/"):
        value = value[key.replace("~1", "/").replace("~0", "~")]
    return value


def query_of(parameters, path):
    """Fills in parameters by their examples, in the form that their style asks for."""
    query = []
    for one in parameters:
        example = one["example"]
        if one["in"] == "path":
            path = path.replace("{%s}" % one["name"], urllib.parse.quote(str(example), safe=""))
        elif isinstance(example, list) and one.get("explode", True):
            query += [(one["name"], str(item)) for item in example]
        else:
            text = ",".join(map(str, example)) if isinstance(example, list) else str(example)
            query.append((one["name"], text))
    return path + ("?" + urllib.parse.urlencode(query, safe=",") if query else "")


def hold(name, operation, answer):
    """Compares an answer with the document."""
    status, media, content = answer
    responses = operation["responses"]
    documented = responses.get(str(status))
    if documented is None:
        problems.append(f"{name}: status {status} is not documented: {content[:200]!r}")
        return
    contents = documented.get("content", {})
    if not contents:
        return
    described = contents.get(media, contents.get("*/*"))
    if described is None:
        problems.append(f"{name}: {status} of type {media} is not documented")
    elif media.endswith("json") and "schema" in described:
        validator = Draft202012Validator({**described["schema"], "components": document["components"]})
        for error in validator.iter_errors(json.loads(content)):
            problems.append(f"{name}: {status} {error.json_path}: {error.message[:300]}")


def requests_of(path, method, operation):
    """Yields every request that the document lets one make of an operation: path, headers and body."""
    parameters = operation.get("parameters", [])
    required = [one for one in parameters if one.get("required")]
    bodies = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = json.dumps(bodies["example"]).encode() if bodies else None
    kind = {"Content-Type": "application/json"} if bodies else {}
    types = list(operation["responses"].get("200", {}).get("content", {})) or ["*/*"]
    for accept in types:
        yield query_of(required, path), {**kind, "Accept": accept}, body, accept
    if parameters != required:
        yield query_of(parameters, path), kind, body, "all parameters"
    if bodies and not resolve_schema(bodies["schema"]).get("required"):
        yield query_of(required, path), kind, b"{}", "an empty body"


def resolve_schema(schema):
    return resolve(document, schema["$ref"]) if "$ref" in schema else schema


document = json.loads(ask("/openapi.json")[2])
for reference in sorted(set(references(document))):
    try:
        resolve(document, reference)
    except KeyError:
        problems.append(f"{reference} refers to nothing")

for path, operations in document["paths"].items():
    for method, operation in operations.items():
        name = f"{method.upper()} {path}"
        needs = operation["x-needs"]
        if method != "get" and needs != "read":
            continue
        known = {} if needs in ("open", "read") else {"Authorization": f"Bearer {token}"}
        if known:
            answer = ask(query_of(operation.get("parameters", []), path), method.upper())
            hold(f"{name} without a token", operation, answer)
            if answer[0] != 401:
                problems.append(f"{name} without a token: {answer[0]}")
        for where, headers, body, what in requests_of(path, method, operation):
            answer = ask(where, method.upper(), {**headers, **known}, body)
            calls.append({"operation": operation["operationId"], "needs": needs, "what": what, "status": answer[0]})
            hold(f"{name} ({what})", operation, answer)
            # The type of a file goes by its name.
            chosen = "/" in what and what != "*/*" and not path.endswith("{file}")
            if chosen and answer[0] == 200 and answer[1] != what:
                problems.append(f"{name}: asked for {what}, got {answer[1]}")

print(json.dumps({"calls": calls, "problems": problems}))
