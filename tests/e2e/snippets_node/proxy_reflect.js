const log = [];
const p = new Proxy({ a: 1 }, { get(t, k, r) { log.push(`get ${String(k)}`); return Reflect.get(t, k, r) ?? `no ${String(k)}`; }, has: (t, k) => k.startsWith('a'), deleteProperty() { return false; }, ownKeys: () => ['a', 'z'], getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }) });
console.log(p.a, p.b, 'abc' in p, 'b' in p, Object.keys(p), Reflect.deleteProperty(p, 'a'), log);
const f = new Proxy(function () {}, { apply: (t, self, args) => args.length, construct: () => ({ made: true }) });
console.log(f(1, 2, 3), new f(), Reflect.ownKeys({ b: 1, 2: 1, [Symbol.iterator]: 1 }), Reflect.construct(Date, [0]) instanceof Date, Reflect.apply(Math.max, null, [1, 5]));
const { proxy, revoke } = Proxy.revocable({}, {}); revoke();
try { proxy.x; } catch (e) { console.log(e.message); }
console.log(Object.getOwnPropertyDescriptor(Object.freeze({ x: 1 }), 'x'), Symbol.for('k') === Symbol.for('k'), new WeakRef({}).deref() !== undefined);
