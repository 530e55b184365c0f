const e = new TextEncoder(), d = new TextDecoder();
console.log(e.encode('aé€😀'), d.decode(e.encode('aé€😀')), e.encodeInto('€€', new Uint8Array(4)));
for (const [label, bytes] of [['utf-16le', [97, 0, 172, 32]], ['windows-1252', [128, 233]], ['shift_jis', [130, 160]], ['gb18030', [196, 227]], ['euc-kr', [176, 161]]]) console.log(label, new TextDecoder(label).decode(new Uint8Array(bytes)));
try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])); } catch (x) { console.log(x.name, x.code); }
const s = new TextDecoder();
console.log(s.decode(new Uint8Array([226, 130]), { stream: true }) + s.decode(new Uint8Array([172])), d.decode(new Uint8Array([255, 65])));
const { StringDecoder } = require('string_decoder');
const sd = new StringDecoder('utf8');
console.log(sd.write(Buffer.from([0xe2, 0x82])) + sd.write(Buffer.from([0xac])) + sd.end());
console.log('\ud800'.isWellFormed?.() ?? false, encodeURIComponent('ä/?'), decodeURIComponent('%E2%82%AC'), escape('ü'), unescape('%FC'));
