// Runs the code on stdin as a Python job: node run.mjs < code.py. Needs `npm install @msgpack/msgpack`.
import net from 'node:net';
import { readFileSync } from 'node:fs';
import { encode, decodeMultiStream } from '@msgpack/msgpack';

const socket = net.connect(process.env.WARDER_SOCKET ?? '/run/warder/warder.sock');
socket.write(encode([0, 1, 'run', [{ language: 'python3', code: readFileSync(0) }]]));
for await (const [, , error, result] of decodeMultiStream(socket)) {
	if (error) throw new Error(error);
	process.stdout.write(result.stdout);
	console.error(result.outcome, result.exit_code, result.violations.map((v) => v.syscall));
	break;
}
