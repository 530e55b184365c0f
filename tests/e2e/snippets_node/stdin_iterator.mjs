import { createInterface } from 'node:readline/promises';
const rl = createInterface({ input: process.stdin });
for await (const line of rl) console.log(line.toUpperCase());
console.log(process.stdin.isTTY, process.stdout.isTTY, process.stdin.readableEnded);
