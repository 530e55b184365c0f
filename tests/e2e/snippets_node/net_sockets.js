const net = require('net');
const s = net.connect(Number(process.argv[2]), '127.0.0.1', () => { s.setNoDelay(true); s.write('GET /raw HTTP/1.0\r\n\r\n'); });
let text = ''; s.setEncoding('utf8');
s.on('data', (c) => { text += c; }).on('end', () => console.log(text.split('\r\n')[0], text.split('\r\n\r\n')[1], s.bytesWritten)).on('close', (bad) => console.log('close', bad));
console.log(net.isIP('::1'), net.isIPv4('1.2.3.4'), net.isIP('x'));
