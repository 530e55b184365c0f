const { URL, URLSearchParams, domainToASCII, fileURLToPath, pathToFileURL, format, parse } = require('url');
const u = new URL('../x y?q=1&q=2#frag', 'https://user:pa%20ss@例え.jp:8443/a/b/');
console.log(u.href, u.host, u.username, u.password, [...u.searchParams]);
u.port = '443'; u.searchParams.append('ü', 'ä&'); u.hash = '';
console.log(String(u), u.origin, domainToASCII('español.com'));
const p = new URLSearchParams({ b: '2', a: '1' });
p.sort(); p.set('c', 'x y');
console.log(p.toString(), p.has('a'), [...p.keys()]);
console.log(fileURLToPath('file:///a%20b'), pathToFileURL('/x#y').href, parse('http://a.com:80/p?q').pathname, format({ protocol: 'http', host: 'h', query: { z: 1 } }));
try { new URL('nonsense'); } catch (e) { console.log(e.code, e.name); }
console.log(require('querystring').parse('a=1&a=2&b=%20'), require('querystring').stringify({ x: ['1', '2'] }));
