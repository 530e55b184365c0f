const fs = require('fs');
fs.mkdirSync('node_modules/pkg/lib', { recursive: true });
fs.writeFileSync('node_modules/pkg/package.json', '{"name": "pkg", "version": "1.2.3", "main": "lib/index.js", "exports": {".": "./lib/index.js", "./sub": "./lib/sub.js"}}');
fs.writeFileSync('node_modules/pkg/lib/index.js', 'exports.name = require("../package.json").version; exports.sub = require("./sub")');
fs.writeFileSync('node_modules/pkg/lib/sub.js', 'module.exports = class Sub {}; module.exports.parent = module.parent && 1');
fs.writeFileSync('a.js', 'exports.early = 1; const b = require("./b"); exports.late = b.sawEarly'); fs.writeFileSync('b.js', 'exports.sawEarly = require("./a").early');
const pkg = require('pkg');
console.log(pkg, require('pkg/sub') === pkg.sub, require('./a'), require.resolve('pkg').split('/').slice(-3));
try { require('pkg/hidden'); } catch (e) { console.log(e.code); }
try { require('absent'); } catch (e) { console.log(e.code, e.requireStack.length); }
console.log(Object.keys(require.cache).length, require.main === module, module.paths.length > 0, typeof require.extensions['.js'], require('module').builtinModules.includes('fs'));
delete require.cache[require.resolve('./b')]; console.log(require('./b') !== undefined, arguments.length, this === exports);
