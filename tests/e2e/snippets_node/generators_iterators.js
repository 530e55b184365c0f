function* walk(tree) { if (tree) { yield* walk(tree.l); const got = yield tree.v; if (got) console.log('got', got); yield* walk(tree.r); } }
const tree = { v: 2, l: { v: 1 }, r: { v: 4, l: { v: 3 } } };
console.log([...walk(tree)], Math.max(...walk(tree)));
const it = walk(tree); it.next(); it.next('sent');
class Range { constructor(n) { this.n = n; } *[Symbol.iterator]() { for (let i = 0; i < this.n; i++) yield i; } }
const [first, ...rest] = new Range(4);
console.log(first, rest, new Map(Object.entries({ a: 1 })), Array.from(new Range(3), (x) => x * 2), new Set([...new Range(3), 1]));
const closing = { [Symbol.iterator]() { return { next: () => ({ value: 1, done: false }), return() { console.log('closed'); return {}; } }; } };
for (const _ of closing) break;
const [a] = closing;
console.log(Object.fromEntries(new Map([['k', a]])), [..."a😀b"].length, [[1, [2, [3]]]].flat(Infinity));
