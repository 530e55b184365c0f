import os
import platform
import sys
import sysconfig

print(platform.system(), platform.machine(), platform.python_version(), platform.python_implementation())
print(sys.version_info[:3], sys.byteorder, sys.maxsize, sys.platform, sys.implementation.name)
print(bool(platform.platform()), bool(platform.uname().release), platform.architecture()[0])
print(sysconfig.get_python_version(), os.sep, os.linesep == "\n", os.name, os.cpu_count() >= 1)
