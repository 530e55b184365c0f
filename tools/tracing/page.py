"""One self-contained page of a traced job. Everything that the job chose is in one JSON text, in which no character of markup is left, and
gets onto the page as text nodes alone; the page allows itself no request."""
import json
import os

from . import client, show, suggest

TEMPLATE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page.html")
MOST = 200000  # calls on one page


def inert(data):
    """JSON that may stand in a script element: <, > and & cannot end it or begin anything."""
    text = json.dumps(data)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def row(call):
    """A call as its values alone: a page has up to MOST of them."""
    return [round(call[k], 3) if k in ("t_ms", "spent_us") else call.get(k) for k in show.CALL_KEYS]


def write(path, job, calls, result, title):
    code = job["code"].decode("utf-8", "replace") if job else ""
    name = (job or {}).get("filename") or ("main.js" if (job or {}).get("language") == "nodejs" else "main.py")
    data = {
        "title": title, "file": "/tmp/" + name, "source": code.split("\n"),
        "outcome": {k: result[k] for k in ("outcome", "exit_code", "signal", "limit")}, "usage": result["usage"],
        "keys": show.CALL_KEYS, "calls": [row(c) for c in calls[:MOST]],
        "left_out": max(0, len(calls) - MOST), "suggestions": suggest.lines(calls, result),
    }
    with open(TEMPLATE, encoding="utf-8") as f:
        template = f.read()
    try:
        with open(path, "w", encoding="utf-8") as f:
            f.write(template.replace("@DATA@", inert(data), 1))
    except OSError as e:
        raise client.Failed(f"{path}: {e.strerror}") from None
