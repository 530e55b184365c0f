from decimal import ROUND_HALF_UP, Decimal, getcontext, localcontext

getcontext().prec = 28
prices = [Decimal("19.99"), Decimal("5.01"), Decimal("0.105")]
print(sum(prices), (sum(prices) * Decimal("0.19")).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))
with localcontext() as c:
    c.prec = 50
    print(Decimal(2).sqrt(), Decimal(1) / Decimal(7))
print(Decimal("NaN").is_nan(), Decimal("1E+3").normalize(), f"{Decimal('1234567.891'):,.2f}")
