const { setTimeout: sleep } = require('timers/promises');

async function step(n) {
  await sleep(n % 3);
  if (n === 4) throw new RangeError(`step ${n}`);
  return n * n;
}

(async () => {
  console.log(await Promise.all([1, 2, 3].map(step)));
  console.log((await Promise.allSettled([step(4), step(5)])).map((r) => r.reason?.message ?? r.value));
  console.log(await Promise.race([sleep(20, 'slow'), sleep(1, 'fast')]));
  console.log(await Promise.any([Promise.reject(1), step(6)]));
  try {
    await Promise.any([Promise.reject(new Error('a')), Promise.reject(new Error('b'))]);
  } catch (e) {
    console.log(e.constructor.name, e.errors.map((x) => x.message));
  }
  await step(4).catch((e) => console.log(e.message)).finally(() => console.log('finally'));
})();
