// (module (func (export "fib") (param i32) (result i32) ...)) and a memory
const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 13, 2, 3, 102, 105, 98, 0, 0, 3, 109, 101, 109, 2, 0,
  10, 30, 1, 28, 0, 32, 0, 65, 2, 72, 4, 127, 32, 0, 5, 32, 0, 65, 1, 107, 16, 0, 32, 0, 65, 2, 107, 16, 0, 106, 11, 11]);
console.log(WebAssembly.validate(bytes));
const module = new WebAssembly.Module(bytes);
const { fib, mem } = new WebAssembly.Instance(module).exports;
console.log(fib(24), mem.buffer.byteLength, mem.grow(3), mem.buffer.byteLength, WebAssembly.Module.exports(module));
new Uint32Array(mem.buffer)[100] = 7;
try { mem.grow(1e6); } catch (e) { console.log(e.constructor.name); }
try { new WebAssembly.Module(new Uint8Array([1, 2, 3])); } catch (e) { console.log(e.name); }
const table = new WebAssembly.Table({ element: 'anyfunc', initial: 2 });
table.set(0, fib);
console.log(table.get(0)(10), new WebAssembly.Global({ value: 'i64', mutable: true }, 5n).value);
Promise.all([WebAssembly.compile(bytes), WebAssembly.instantiate(bytes), WebAssembly.instantiate(bytes)])
  .then(([m, a, b]) => console.log(m instanceof WebAssembly.Module, a.instance.exports.fib(20) + b.instance.exports.fib(21)));
