import json
from base64 import b64decode


def main(numbers: list, text: str, options: dict) -> dict:
    words = text.split()
    return {
        "sum": sum(numbers),
        "longest": max(words, key=len),
        "upper": [w.upper() for w in words] if options.get("upper") else words,
    }


inputs = json.loads(b64decode("eyJudW1iZXJzIjogWzEsIDIsIDNdLCAidGV4dCI6ICJwbGFpbiB3b3JrZmxvdyIsICJvcHRpb25zIjogeyJ1cHBlciI6IHRydWV9fQ==").decode())
print("<<RESULT>>" + json.dumps(main(**inputs), indent=4) + "<<RESULT>>")
