const fs = require('fs'), path = require('path');
fs.mkdirSync('a/b/c', { recursive: true });
fs.writeFileSync('a/one.txt', 'one\n');
fs.appendFileSync('a/one.txt', 'two\n');
fs.copyFileSync('a/one.txt', 'a/b/copy.txt');
fs.symlinkSync('one.txt', 'a/link');
fs.linkSync('a/one.txt', 'a/hard');
console.log(fs.readFileSync('a/link', 'utf8'), fs.readlinkSync('a/link'), fs.statSync('a/hard').nlink, fs.lstatSync('a/link').isSymbolicLink());
console.log(fs.readdirSync('a', { withFileTypes: true }).map((d) => [d.name, d.isDirectory()]).sort());
fs.renameSync('a/b/copy.txt', 'a/b/c/moved.txt');
fs.truncateSync('a/b/c/moved.txt', 3);
fs.utimesSync('a/one.txt', 1, 2);
fs.chmodSync('a/one.txt', 0o600);
const s = fs.statSync('a/one.txt');
console.log(s.mtimeMs, s.size, (s.mode & 0o777).toString(8), fs.readFileSync('a/b/c/moved.txt', 'latin1'));
for (const wrong of [() => fs.readFileSync('nowhere'), () => fs.mkdirSync('a'), () => fs.rmdirSync('a'), () => fs.readFileSync('a')]) {
  try { wrong(); console.log('no error'); } catch (e) { console.log(e.code, e.syscall); }
}
const fd = fs.openSync('a/io', 'w+');
fs.writeSync(fd, Buffer.from('0123456789'), 2, 5, 0);
fs.writevSync(fd, [Buffer.from('ab'), Buffer.from('cd')]);
const b = Buffer.alloc(4);
fs.readSync(fd, b, 0, 4, 1);
fs.fsyncSync(fd);
fs.ftruncateSync(fd, 6);
console.log(b.toString(), fs.fstatSync(fd).size);
fs.closeSync(fd);
console.log(fs.existsSync('a/io'), fs.mkdtempSync(path.join(require('os').tmpdir(), 'x-')).startsWith('/tmp/x-'));
fs.rmSync('a', { recursive: true });
console.log(fs.existsSync('a'));
