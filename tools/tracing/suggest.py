"""What would allow what was refused: lines for `grants` of a job, from the hints that came with its violations."""


def lines(calls, result):
    out = []
    for v in result["violations"]:
        what = v["path"] or v["address"] or v["syscall"]
        line = {"for": f"{v['verdict']}: {v['syscall']} {what}", "line": v["hint"] or "", "count": v["count"]}
        if line not in out:
            out.append(line)
    return out
