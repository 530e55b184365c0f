import sys

import redis

host, port = sys.argv[1], int(sys.argv[2])
r = redis.Redis(host, port, decode_responses=True)
print(r.ping(), r.flushall(), r.set("k", "v"), r.get("k"))
with r.pipeline() as p:
    print(p.incr("n").incr("n").expire("n", 100).execute())
r.hset("h", mapping={"a": "1", "b": "2"})
print(r.hgetall("h"), r.rpush("l", *range(1000)), len(r.lrange("l", 0, -1)))
r.set("big", "x" * 1000000)
print(len(r.get("big")), r.eval("return redis.call('get', KEYS[1])", 1, "k"))
with r.pubsub() as ps:
    ps.subscribe("c")
    print(ps.get_message(timeout=5)["type"], r.publish("c", "m"), ps.get_message(timeout=5)["data"])
print(r.blpop("empty", timeout=1))
try:
    r.execute_command("NOSUCH")
except redis.ResponseError as e:
    print(e)
r.flushall()
