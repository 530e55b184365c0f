const big = Array.from({ length: 60000 }, (_, i) => ({ id: i, name: `user ${i}`, tags: ['a', 'ü', '\u2028'], nested: { v: i / 7, ok: i % 2 === 0, none: null } }));
const text = JSON.stringify(big);
const back = JSON.parse(text);
console.log(text.length, back.length, back[59999], JSON.stringify(back) === text);
console.log(JSON.stringify({ a: [1, { b: 2 }], d: new Date(0), u: undefined, n: NaN, toJSON() { return { j: 1 }; } }), JSON.stringify({ b: 1, a: 2, c: { a: 3 } }, ['a', 'c'], 2));
console.log(JSON.parse('{"a":1,"b":[2]}', (k, v) => (typeof v === 'number' ? v * 2 : v)), JSON.stringify('\ud800'));
for (const bad of ['{', '{"a":}', '', '[1,]']) try { JSON.parse(bad); } catch (e) { console.log(e.name, e.message); }
try { JSON.stringify(10n); } catch (e) { console.log(e.message); }
