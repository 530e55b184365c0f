const readline = require('readline');
let sum = 0;
const rl = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
rl.on('line', (line) => { sum += Number(line) || 0; console.log(`[${line}]`); }).on('close', () => console.log('sum', sum));
