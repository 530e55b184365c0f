import smtplib
import sys
from email.message import EmailMessage

host, port = sys.argv[1], int(sys.argv[2])
m = EmailMessage()
m["From"], m["To"], m["Subject"] = "a@lab.test", "b@lab.test, c@lab.test", "Grüße"
m.set_content("text\n.\n" + "long " * 20000)
m.add_attachment(b"\0\1\2", maintype="application", subtype="octet-stream", filename="f")
with smtplib.SMTP(host, port, local_hostname="job", timeout=10) as s:
    print(s.ehlo(), s.noop())
    print(s.send_message(m))
    try:
        s.sendmail("a@lab.test", ["not an address"], "x")
    except smtplib.SMTPException as e:
        print(type(e).__name__)
