console.group('g'); console.info('in'); console.group(); console.debug('deeper'); console.groupEnd(); console.groupEnd(); console.log('out');
console.dir({ a: { b: { c: {} } } }, { depth: 0 }); console.count(); console.count('x'); console.countReset('x'); console.count('x'); console.assert(true); console.assert(false, 'to stderr');
console.table([[1, 2], [3, 4]]); console.table({ r: { c: 1 } }, ['c']); console.log(); console.log('%o', [1]); console.log('%s', null, undefined, Symbol('s'), () => 0);
const { Console } = require('console'); new Console({ stdout: process.stdout, stderr: process.stdout }).error('own');
console.log('a\tb\0c', [new Error('in array').message], [[]], {}, [' '], '\u{1F600}', -0, [-0], 0n);
process.stdout.write('no newline'); process.stdout.write('\n', () => console.log('written', process.stdout.writableLength));
