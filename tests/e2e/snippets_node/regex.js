const text = 'John Smith <john@x.org>, Zoë Ünal <zoe@y.de>; 2024-02-29';
for (const m of text.matchAll(/(?<first>\p{L}+) (?<last>\p{L}+) <(?<mail>[^>]+)>/gu)) console.log({ ...m.groups }, m.index);
console.log(text.replace(/(?<y>\d{4})-(?<m>\d\d)-(?<d>\d\d)/, '$<d>.$<m>.$<y>'), 'aBc'.replace(/b/i, (c) => `[${c}]`), 'a1b22'.split(/(\d+)/));
console.log(/(?<=\$)\d+/.exec('cost $42')[0], /^.$/su.test('😀'), /a.c/s.test('a\nc'), /\bfoo\b/y.test('foo'), 'x'.replaceAll('x', '$&$&'));
const r = /a(b)?/dg; console.log(r.exec('xxa').indices[0], r.lastIndex);
