"""Dify's CodeExecutor over Warder's Unix socket: the same calls, results and exceptions, without the HTTP service.

    CodeExecutor.execute_workflow_code_template("python3", "def main(x): return {'y': x * 2}", {"x": 21})  # {'y': 42}
"""
import base64
import json
import re
import signal
from enum import Enum
from typing import Any, Callable, ClassVar, Dict, Mapping, Optional

import warder

TAG = "<<RESULT>>"
RUNNING_LANGUAGE = {"python3": "python3", "jinja2": "python3", "javascript": "nodejs"}
# The node's code comes first, so that the lines of a traceback are the author's; nodes rely on finding json and b64decode imported.
SCRIPTS = {
    "python3": """{code}

import json
from base64 import b64decode
inputs_obj = json.loads(b64decode('{inputs}'))
print('{tag}' + json.dumps(main(**inputs_obj), indent=4) + '{tag}')
""",
    "javascript": """{code}

var inputs_obj = JSON.parse(Buffer.from('{inputs}', 'base64').toString('utf-8'))
console.log('{tag}' + JSON.stringify(main(inputs_obj)) + '{tag}')
""",
    "jinja2": """import json, jinja2
from base64 import b64decode
template = jinja2.Template(b64decode('{code}').decode())
print('{tag}' + template.render(**json.loads(b64decode('{inputs}'))) + '{tag}')
""",
}
# The sandbox service ends a script with 255 after an uncaught exception, where python3 has 1. A hook does that; the script itself is
# a file, so that its lines, its `from __future__` and its coding line stay what they are.
RUNNER = """def _program():
    import sys
    own, show = __file__, sys.__excepthook__
    def hook(kind, e, tb):
        while tb and tb.tb_frame.f_code.co_filename == own:
            tb = tb.tb_next
        show(kind, e.with_traceback(tb), tb)
        raise SystemExit(255)
    path = sys.argv[0] = '/tmp/main.py'
    sys.excepthook = hook
    del globals()['_program']
    globals()['__file__'] = path
    with open(path, 'rb') as f:
        return compile(f.read(), path, 'exec', dont_inherit=True)
exec(_program())
"""
LIMITS = {"wall_time": "timeout", "cpu_time": "timeout", "memory": "memory limit exceeded", "output": "output limit exceeded",
          "tmp": "limit of /tmp exceeded"}
NUMBER = re.compile(r"-?\d+\.?\d*e[+-]\d+", re.IGNORECASE)  # JSON made a string of it; Dify gives the number


class CodeLanguage(str, Enum):
    PYTHON3, JINJA2, JAVASCRIPT = "python3", "jinja2", "javascript"


class CodeExecutionError(Exception):
    """A node failed. `result` is the job's warder.Result, None when there was no job."""
    result: Optional[warder.Result] = None


def tell_call(v: warder.Violation) -> str:
    place = f" at {v.file}:{v.line}" + (f" in {v.function}" if v.function else "") if v.file else ""
    words = f"{v.verdict}: {v.syscall}({', '.join(v.args)})" + (f" [{v.rule}]" if v.rule else "") + place + (f"; {v.hint}" if v.hint else "")
    return re.sub(r"[\0-\x1f\x7f]", lambda c: f"\\x{ord(c[0]):02x}", words)


def why(result: warder.Result) -> str:
    """Why a job did not come to its own end, or not with all of its output."""
    if result.outcome == "violation":
        return "operation not permitted" + (f"\n{tell_call(result.killed_by)}" if result.killed_by else "")
    if result.outcome == "signaled":
        return f"signal: {signal.strsignal(result.signal or 0)}"
    if result.outcome == "limit":
        return LIMITS.get(result.limit or "", "limit")
    return "cancelled" if result.outcome == "cancelled" else LIMITS["output"]


def explain(result: warder.Result) -> str:
    """What a job did wrong, in the words of the sandbox service; "" if it did not. Behind a kill stands the call."""
    by_itself = result.outcome == "exited" and not result.stdout_truncated
    if by_itself and result.exit_code == 0:
        return ""
    rest = ("" if by_itself else f"error: {why(result)}\n") + result.stderr.decode("utf-8", "replace")
    return f"process exited with code {result.exit_code if by_itself else -1}" + (f"\n{rest}" if rest else "")


def utf8(text: str) -> bytes:
    """U+FFFD stands for a lone surrogate, as in the sandbox service."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text).encode()


def numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers(v) for v in value]
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


def parse(text: str) -> Dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as e:
        raise ValueError(f"Failed to parse JSON response: {e}.") from e
    if not isinstance(value, dict):
        raise ValueError(f"Result must be a dict, got {type(value).__name__}")
    return {k: numbers(v) for k, v in value.items()}


class CodeExecutor:
    """A subclass may set other values for these three."""
    client: ClassVar[warder.Client] = warder.Client(timeout=120)  # seconds, waiting for a place in the queue included
    job: ClassVar[Dict[str, Any]] = {}  # fields that every job gets: policy, limits, grants …
    dumps: ClassVar[Callable[[Any], str]] = staticmethod(lambda inputs: json.dumps(inputs, ensure_ascii=False))

    @classmethod
    def execute_code(cls, language: str, preload: str, code: str, dependencies: Any = None) -> str:
        """Runs a whole script and returns its stdout. `preload` and `dependencies` are the policy's matter here."""
        running = RUNNING_LANGUAGE.get(language)
        source = utf8(code)
        if not running:
            raise CodeExecutionError(f"Unsupported language {language}")
        python = {"code": RUNNER, "filename": "run.py", "files": {**cls.job.get("files", {}), "main.py": source}}
        try:
            result = cls.client.run(language=running, **{**cls.job, **(python if running == "python3" else {"code": source})})
        except (warder.Busy, warder.ShuttingDown) as e:
            raise CodeExecutionError("Code execution service is unavailable") from e
        except warder.RequestError as e:
            raise CodeExecutionError(f"Got error code: {e.code}. Got error msg: {e.message}") from e
        except warder.WarderError as e:
            raise CodeExecutionError("Failed to execute code, which is likely a network issue, please check if the sandbox "
                                     f"service is running. ( Error: {e} )") from e
        if result.outcome == "error":
            raise CodeExecutionError(f"Got error code: -500. Got error msg: {result.error}")
        error = CodeExecutionError(explain(result))
        if str(error):
            error.result = result
            raise error
        return result.text

    @classmethod
    def execute_workflow_code_template(cls, language: str, code: str, inputs: Mapping[str, Any], dependencies: Any = None) -> Dict[str, Any]:
        """Runs one node: `main(**inputs)`, in JavaScript `main(inputs)`, gives its dict; a template {"result": text}."""
        if language not in SCRIPTS:
            raise CodeExecutionError(f"Unsupported language {language}")
        encoded = base64.b64encode(utf8(cls.dumps(inputs))).decode()
        text = base64.b64encode(utf8(code)).decode() if language == "jinja2" else code
        stdout = cls.execute_code(language, "", SCRIPTS[language].format(code=text, inputs=encoded, tag=TAG))
        _, first, rest = stdout.partition(TAG)
        found, last, _ = rest.rpartition(TAG)
        if not first or not last:
            raise ValueError(f"Failed to parse result: no result tag found in response. Response: {stdout[:200]}...")
        return {"result": found} if language == "jinja2" else parse(found)
