import hashlib
import hmac
import secrets
import zlib

data = b"workflow" * 1000
for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b"):
    print(name, hashlib.new(name, data).hexdigest()[:32])
print(hmac.new(b"key", data, "sha256").hexdigest(), hmac.compare_digest("a", "a"))
print(hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 1000).hex(), zlib.crc32(data), zlib.adler32(data))
print(hashlib.scrypt(b"pw", salt=b"salt", n=1024, r=8, p=1).hex()[:32])
print(len(secrets.token_bytes(16)), len(secrets.token_urlsafe(16)), secrets.randbelow(1), secrets.compare_digest("a", "b"))
