const dc = require('diagnostics_channel'); const ch = dc.channel('c'); ch.subscribe((m, n) => console.log(m, n)); ch.publish({ x: 1 });
const v8 = require('v8'); console.log(v8.getHeapStatistics().used_heap_size > 0, v8.cachedDataVersionTag() > 0);
const { parseArgs, styleText } = require('util'); console.log(parseArgs({ args: ['-f', '--bar', 'b'], options: { f: { type: 'boolean', short: 'f' }, bar: { type: 'string' } } }).values);
const tls = require('tls'), dns = require('dns'); console.log(tls.rootCertificates.length > 50, dns.getServers() instanceof Array, tls.DEFAULT_MIN_VERSION);
console.log(typeof require('punycode').toASCII, process.emitWarning.length >= 0, process.allowedNodeEnvironmentFlags.has('--max-old-space-size'), process.features.inspector !== undefined);
dns.lookup('127.0.0.1', (e, a, f) => console.log(e, a, f)); console.log(require('http').STATUS_CODES[404], require('http').METHODS.includes('GET'), require('constants').O_RDONLY);
process.once('SIGUSR2', (s, n) => { console.log(s, n); }); process.kill(process.pid, 'SIGUSR2'); setTimeout(() => 0, 20);
