import calendar
import datetime
import time

d = datetime.datetime(2024, 2, 29, 13, 5, 7, 89)
print(d.isoformat(), d.strftime("%A %d %B %Y %j %U"), d.timetuple().tm_yday, d.isocalendar())
print(datetime.datetime.strptime("31/12/23 23:59", "%d/%m/%y %H:%M") - d, datetime.date.fromisoformat("2024-01-31"))
print(calendar.monthrange(2024, 2), calendar.isleap(1900), calendar.month(2024, 2))
print(datetime.timedelta(days=1, seconds=3661), datetime.datetime.fromtimestamp(0, datetime.timezone.utc), time.gmtime(86400)[:6])
print(time.time() > 1.7e9, time.perf_counter() > 0, time.monotonic() <= time.monotonic(), time.strftime("%Z", time.gmtime(0)))
print(datetime.datetime.now().year >= 2024, time.localtime(0).tm_year, time.mktime(time.localtime(1e9)))
