import base64
import email
import email.policy
import email.utils
import mimetypes
import quopri
from email.message import EmailMessage

m = EmailMessage()
m["Subject"] = "Grüße"
m["From"] = "Ada <ada@example.com>"
m["To"] = "bo@example.org"
m.set_content("Hallo\n")
m.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename="x.bin")
raw = m.as_bytes()
back = email.message_from_bytes(raw, policy=email.policy.default)
print(back["subject"], back.get_body().get_content(), [p.get_filename() for p in back.iter_attachments()])
print(email.utils.parseaddr("Ada L. <ada@example.com>"), base64.b64encode(b"data"), quopri.encodestring("ü".encode()))
print(mimetypes.guess_type("a.html"), mimetypes.guess_type("a.tar.gz"), base64.b85encode(b"abc"), base64.urlsafe_b64decode("_-8="))
