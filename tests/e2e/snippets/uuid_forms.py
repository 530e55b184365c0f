import uuid

print(uuid.uuid3(uuid.NAMESPACE_DNS, "example.com"), uuid.uuid5(uuid.NAMESPACE_URL, "https://example.com/"))
u = uuid.UUID("12345678123456781234567812345678")
print(u, u.int % 97, u.hex, u.urn, u.fields[0])
print(uuid.uuid4().version, uuid.uuid4() != uuid.uuid4(), uuid.uuid1().version, len({uuid.uuid1() for _ in range(100)}))
