process.on('beforeExit', (c) => { console.log('beforeExit', c); if (!process.once_) { process.once_ = 1; setTimeout(() => console.log('one more'), 1); } });
process.on('exit', (c) => { console.log('exit', c, process.exitCode); setTimeout(() => console.log('never'), 0); Promise.resolve().then(() => console.log('neither')); });
setImmediate(() => console.log('immediate'));
process.exitCode = 0;
