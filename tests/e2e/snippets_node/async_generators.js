async function* ticks(n) {
  try {
    for (let i = 0; i < n; i++) { await new Promise((r) => setTimeout(r, 1)); yield i; }
  } finally {
    console.log('cleaned up');
  }
}
async function* squares(source) { for await (const x of source) yield x * x; }
(async () => {
  for await (const x of squares(ticks(100))) { if (x > 20) break; console.log(x); }
  const g = ticks(3);
  console.log(await g.next(), await g.return('early'), await g.next());
  const all = await Promise.all([0, 1, 2].map(async (n) => { const out = []; for await (const x of ticks(n)) out.push(x); return out; }));
  console.log(all);
  for await (const p of [Promise.resolve('a'), 'b']) console.log(p);
  const thrown = ticks(1);
  await thrown.next();
  await thrown.throw(new Error('into it')).catch((e) => console.log(e.message));
})();
