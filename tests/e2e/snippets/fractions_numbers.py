import cmath
import math
import numbers
from fractions import Fraction

print(Fraction(1, 3) + Fraction(1, 6), Fraction("0.125"), Fraction(math.pi).limit_denominator(1000))
print(math.comb(50, 25), math.gcd(84, 36), math.isqrt(10 ** 40), math.fsum([0.1] * 10), math.dist((0, 0), (3, 4)))
print(cmath.sqrt(-4), isinstance(Fraction(1), numbers.Rational), 2 ** 200, pow(3, -1, 7), int("ff", 16), f"{255:#010b}")
