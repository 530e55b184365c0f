const assert = require('assert/strict');
const fails = [() => assert.equal(1, 2), () => assert.deepEqual({ a: [1, 2] }, { a: [1, 3] }), () => assert.throws(() => 0), () => assert.match('abc', /x/), () => assert(false, 'said'), () => assert.ok(null == 1)];
for (const f of fails) try { f(); console.log('passed'); } catch (e) { console.log(e.name, e.code, e.message); }
assert.rejects(Promise.reject(new TypeError('t')), TypeError).then(() => console.log('rejected as told'));
assert.doesNotThrow(() => 1); assert.notDeepEqual([1], [2]); assert.ifError(null);
