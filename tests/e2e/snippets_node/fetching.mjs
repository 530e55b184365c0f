const base = `http://127.0.0.1:${process.argv[2]}`;
const r = await fetch(`${base}/hello`, { headers: { 'x-mine': 'yes' } });
console.log(r.status, r.ok, r.headers.get('content-type'), await r.text());
console.log(await (await fetch(`${base}/post`, { method: 'POST', body: JSON.stringify({ a: 1 }) })).text());
console.log((await (await fetch(`${base}/big`)).arrayBuffer()).byteLength, (await Promise.all([1, 2, 3].map((n) => fetch(`${base}/${n}`).then((x) => x.text())))).join());
console.log(await fetch(`${base}/hello`, { signal: AbortSignal.abort() }).catch((e) => e.name), await fetch('nonsense').catch((e) => e.name));
console.log(new Headers({ A: 'b' }).get('a'), new Request('http://x/', { method: 'PUT' }).method, await new Response('{"x":1}').json(), new FormData() instanceof FormData);
