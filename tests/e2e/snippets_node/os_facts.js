const os = require('os');
console.log(os.EOL === '\n', os.platform(), os.type(), os.endianness(), os.tmpdir(), os.arch());
console.log(os.cpus().length > 0, os.totalmem() > os.freemem(), os.uptime() > 0, os.loadavg().length, typeof os.release(), typeof os.hostname());
console.log(os.constants.signals.SIGKILL, os.constants.errno.ENOENT, os.devNull, os.availableParallelism?.() > 0, typeof os.networkInterfaces());
console.log(process.memoryUsage().heapUsed > 0, process.memoryUsage.rss() > 0, process.cpuUsage().user >= 0, process.hrtime().length, process.hrtime.bigint() > 0n, process.resourceUsage().maxRSS > 0);
console.log(process.uptime() >= 0, process.arch, process.release.name, typeof process.versions.v8, process.stdout.fd, process.umask().toString(8), process.getuid() === process.geteuid());
