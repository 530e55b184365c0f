process.on('unhandledRejection', (reason, p) => { console.log('unhandled', reason?.message ?? reason, p instanceof Promise); });
process.on('rejectionHandled', () => console.log('handled late'));
process.on('warning', (w) => console.log('warning', w.name));
Promise.reject(new Error('one')); Promise.reject(2); 
const late = Promise.reject(new Error('late')); setTimeout(() => late.catch((e) => console.log('caught', e.message)), 5);
(async () => { throw new Error('async fn'); })();
new Promise((_, no) => no(new Error('caught at once'))).catch(() => console.log('fine'));
process.emitWarning('careful', 'MyWarning');
