from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

moment = datetime(2024, 3, 31, 0, 30, tzinfo=timezone.utc)
for name in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"):
    zone = ZoneInfo(name)
    print(name, moment.astimezone(zone), (moment + timedelta(hours=1)).astimezone(zone).utcoffset())
try:
    ZoneInfo("Nowhere/City")
except ZoneInfoNotFoundError:
    print("no such zone")
