import logging
import logging.handlers
import os
import sys
import tempfile

path = os.path.join(tempfile.mkdtemp(), "app.log")
logging.basicConfig(stream=sys.stdout, level=logging.DEBUG, format="%(levelname)s %(name)s %(lineno)d %(message)s")
log = logging.getLogger("node")
handler = logging.handlers.RotatingFileHandler(path, maxBytes=200, backupCount=2)
log.addHandler(handler)
for i in range(10):
    log.info("line %d of %s", i, "ten")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
print(sorted(os.listdir(os.path.dirname(path))))
log.debug("thread %s", logging.LogRecord("a", 1, "b", 1, "c", (), None).threadName)
