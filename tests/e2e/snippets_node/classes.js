class A { #secret = 1; static #count = 0; static { A.#count = 10; } field = this.#secret + 1; get secret() { return this.#secret; } set secret(v) { this.#secret = v; } static make() { return new this(A.#count++); } #hidden() { return 'hidden'; } call() { return this.#hidden(); } static is(o) { return #secret in o; } }
class B extends A { constructor(n) { super(); this.n = n; } get secret() { return super.secret * 100; } toString() { return `B${this.n}`; } [Symbol.toPrimitive](hint) { return hint === 'number' ? 7 : 'prim'; } }
const b = B.make();
console.log(b, b.secret, `${b}`, +b, b.call(), A.is(b), A.is({}), b instanceof A, Object.getOwnPropertyNames(B.prototype));
try { A.prototype.call.call({}); } catch (e) { console.log(e.name, e.message); }
const mixin = (Base) => class extends Base { mixed = true; };
console.log(new (mixin(B))(3).mixed, new.target === undefined, Object.entries({ ...b, x: { ...null } }));
const { n: renamed = 5, missing: { deep = 'd' } = {}, ...others } = b;
console.log(renamed, deep, others, b?.no?.thing ?? 'none', (b.extra ||= 4), (b.extra &&= 5), 2 ** 10, 1_000);
