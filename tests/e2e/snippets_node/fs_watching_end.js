// streams of a file while it is written, and callbacks of many calls at once
const fs = require('fs');
let left = 50;
for (let i = 0; i < 50; i++) {
  fs.writeFile(`f${i}`, String(i), (e) => {
    if (e) throw e;
    fs.readFile(`f${i}`, 'utf8', (e2, text) => {
      if (e2 || text !== String(i)) throw e2 ?? new Error(text);
      fs.unlink(`f${i}`, () => { if (--left === 0) console.log('all', fs.readdirSync('.').filter((n) => /^f\d/.test(n))); });
    });
  });
}
const out = fs.createWriteStream('big', { highWaterMark: 1000 });
for (let i = 0; i < 100; i++) out.write('y'.repeat(500));
out.end(() => fs.createReadStream('big', { start: 10, end: 1009 }).on('data', (c) => console.log(c.length)).on('close', () => console.log('closed')));
