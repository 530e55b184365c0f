import ctypes
import ctypes.util
import math

libc = ctypes.CDLL(None)
libc.strlen.restype = ctypes.c_size_t
libc.strlen.argtypes = [ctypes.c_char_p]
print(libc.strlen(b"twelve chars"), libc.abs(-5), libc.toupper(ord("a")))


class Pair(ctypes.Structure):
    _fields_ = [("a", ctypes.c_int), ("b", ctypes.c_double)]


p = Pair(1, 2.5)
print(p.a, p.b, ctypes.sizeof(Pair), ctypes.string_at(ctypes.create_string_buffer(b"text")))
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
libc.qsort(numbers, 5, ctypes.sizeof(ctypes.c_int), compare(lambda x, y: x[0] - y[0]))
print(list(numbers))
libm = ctypes.CDLL("libm.so.6")
libm.cos.restype = ctypes.c_double
libm.cos.argtypes = [ctypes.c_double]
print(libm.cos(0.0), math.cos(0))
