"""Runs Dify code and template nodes in Warder, over its Unix socket.

    client = DifyClient("/run/warder/warder.sock")
    client.execute_workflow_code_template("python3", "def main(x): return {'y': x * 2}", {"x": 21})  # {'y': 42}

Needs the package `msgpack` alone. One connection per call, so a client may be shared by threads.
"""
import base64
import json
import os
import socket

import msgpack

TAG = "<<RESULT>>"
RUNNING_LANGUAGE = {"python3": "python3", "jinja2": "python3", "javascript": "nodejs"}
MAX_ANSWER = 1 << 28  # bytes

# The node's code comes first, so that the lines of a traceback are the author's.
PYTHON3 = """{code}

import base64 as _b, json as _j
_inputs = _j.loads(_b.b64decode('{inputs}'))
print('{tag}' + _j.dumps(main(**_inputs), indent=4) + '{tag}')
"""
JAVASCRIPT = """{code}

var _inputs = JSON.parse(Buffer.from('{inputs}', 'base64').toString('utf-8'))
console.log('{tag}' + JSON.stringify(main(_inputs)) + '{tag}')
"""
JINJA2 = """import base64, json, jinja2
template = base64.b64decode('{code}').decode()
inputs = json.loads(base64.b64decode('{inputs}'))
print('{tag}' + jinja2.Template(template).render(**inputs) + '{tag}')
"""
SCRIPTS = {"python3": PYTHON3, "jinja2": JINJA2, "javascript": JAVASCRIPT}


class CodeExecutionError(Exception):
    """A node failed. `result` is what Warder answered, None when it answered nothing."""

    def __init__(self, message, result=None):
        super().__init__(message)
        self.result = result


def explain(result):
    """What went wrong with a job in words: its outcome, what it was refused, its stderr."""
    words = [result["error"] or result["limit"] or {"exited": f"process exited with code {result['exit_code']}",
             "signaled": f"signal {result['signal']}"}.get(result["outcome"], "operation not permitted")]
    for v in result["violations"]:
        words.append(f"{v['verdict']}: {v['syscall']}({', '.join(v['args'])}) {v['errno'] or ''} [{v['rule']}]")
    return "\n".join(words + [result["stderr"].decode("utf-8", "replace")]).rstrip()


class DifyClient:
    def __init__(self, socket_path=None, **job):
        """`job`: fields that every job gets, such as policy="…" or limits={"wall_ms": 5000}."""
        self.path = socket_path or os.environ.get("WARDER_SOCKET") or "/run/warder/warder.sock"
        self.job = job

    def call(self, method, params):
        """One request of msgpack-RPC, and its result."""
        with socket.socket(socket.AF_UNIX) as conn:
            unpacker = msgpack.Unpacker(raw=False, max_buffer_size=MAX_ANSWER, unicode_errors="surrogateescape")
            try:
                conn.connect(self.path)
                conn.sendall(msgpack.packb([0, 1, method, [params]]))
                while data := conn.recv(1 << 16):
                    unpacker.feed(data)
                    for _, _, error, result in unpacker:
                        if error:
                            raise CodeExecutionError(error)
                        return result
            except OSError as e:
                raise CodeExecutionError(f"no supervisor at {self.path}: {e}") from e
        raise CodeExecutionError(f"the supervisor at {self.path} hung up")

    def execute_code(self, language, preload, code, dependencies=None):
        """Runs a whole script and returns its stdout. `preload` and `dependencies` are the policy's matter here."""
        if language not in RUNNING_LANGUAGE:
            raise CodeExecutionError(f"Unsupported language {language}")
        result = self.call("run", {**self.job, "language": RUNNING_LANGUAGE[language], "code": code})
        if result["outcome"] != "exited" or result["exit_code"]:
            raise CodeExecutionError(explain(result), result)
        return result["stdout"].decode("utf-8", "replace")

    def execute_workflow_code_template(self, language, code, inputs, dependencies=None):
        """Runs one node: a code node's `main(**inputs)`, in JavaScript `main(inputs)`, gives its dict, a template {"result": text}."""
        encoded = base64.b64encode(json.dumps(inputs).encode()).decode()
        if language not in SCRIPTS:
            raise CodeExecutionError(f"Unsupported language {language}")
        code = base64.b64encode(code.encode()).decode() if language == "jinja2" else code
        script = SCRIPTS[language].format(code=code, inputs=encoded, tag=TAG)
        stdout = self.execute_code(language, "", script, dependencies)
        _, first, rest = stdout.partition(TAG)
        text, last, _ = rest.rpartition(TAG)
        if not first or not last:
            raise CodeExecutionError("Failed to parse result")
        return {"result": text} if language == "jinja2" else json.loads(text)
