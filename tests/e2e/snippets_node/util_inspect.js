const util = require('util');
class Point { constructor() { this.x = 1; } get len() { return 5; } static s = 2; [util.inspect.custom](depth, o) { return o.stylize(`Point<${this.x}>`, 'special'); } }
const circular = { name: 'c', list: [] }; circular.list.push(circular);
console.log(new Point(), circular, [1, , 3], new Map([['k', { deep: { deeper: { deepest: 1 } } }]]), Symbol('s'), 10n, -0, [undefined, null]);
console.log(util.inspect({ a: { b: { c: { d: 1 } } }, f() {}, g: class A extends Point {}, h: async () => 0 }, { depth: 0, colors: true, showHidden: true }));
console.log(util.inspect('it\'s "q"'), util.inspect(new Proxy({}, {}), { showProxy: true }), util.inspect(new Array(200).fill(7)), util.inspect('x'.repeat(200).split('')));
console.log(util.format('%s %d %i %f %j %o %O %c %%', 'a', '12', 3.9, '1.5', { x: 1 }, [1], { y: 2 }, 'css'), util.isDeepStrictEqual({ a: [1] }, { a: [1] }));
console.log(new Error('plain') instanceof Error, util.types.isPromise(Promise.resolve()), util.inspect(Promise.resolve(4)), util.inspect(new WeakMap()), util.inspect(Object.create(null)));
console.log(util.stripVTControlCharacters('\x1b[31mred\x1b[0m'), util.deprecate(() => 'dep', 'old')(), util.inherits.length, util.callbackify(async () => 1).length);
console.table([{ a: 1, b: 'x' }, { a: 2, c: true }]);
