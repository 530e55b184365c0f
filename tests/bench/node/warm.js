// The bare warm fork: a Node that forks, runs a print, exits and is reaped. No sandbox.
// node --single-threaded --v8-pool-size=0 warm.js ADDON COUNT PAUSE_MS, its standard output a pipe: one duration in ns a line.
'use strict';
const {share, run} = require(process.argv[2]);
const hello = "console.log('hello')";

const pause = Number(process.argv[4]);
const never = new Int32Array(new SharedArrayBuffer(4));

function one() {
	Atomics.wait(never, 0, 0, pause);
	share();
	const before = process.hrtime.bigint();
	if (run(hello) !== 'hello\n'.length)
		throw new Error('the child failed');
	return process.hrtime.bigint() - before;
}

console.log(''); // what it loads, it loads once
for (let i = 0; i < 20; i++)
	one();
const times = [];
for (let i = 0; i < Number(process.argv[3]); i++)
	times.push(one());
console.log(times.join('\n'));
