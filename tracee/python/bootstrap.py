"""The Python side of a zygote: warms the interpreter up, then hands over to the addon's loop.

Run by the worker under the name `<warder>`, with the addon's path as its last argument. It sees no byte of a job until the
tracee is confined. User code is the bottom frame and finds neither this module nor the addon among its modules; what
it can still reach (by the garbage collector, say) gives it nothing that it could not do by itself.
"""

import os
import sys

# What these modules would do in each child of os.fork is put off until it is known what children need of it (`settle_fork_hooks`): it touches
# 150 memory pages, which are most of a birth's price.
SPARED = ("threading", "logging", "concurrent.futures.thread", "random")
put_off = []
register_at_fork = os.register_at_fork


def spare_fork_hooks(**hooks):
    if sys._getframe(1).f_globals.get("__name__") in SPARED:
        put_off.append(hooks)
    else:
        register_at_fork(**hooks)


os.register_at_fork = spare_fork_hooks  # before they are imported

import atexit
import gc
import importlib.machinery
import importlib.util
import io
import itertools
import linecache
import signal
import sysconfig
import threading
import time
import traceback
import types
import weakref


def load_addon(path):
    spec = importlib.util.spec_from_file_location("_warder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules.pop("_warder", None)
    return module


warder = load_addon(sys.argv[-1])
del sys.path[0]  # the working directory, which `-c` puts there


def add_dependencies(tree):
    """The policy's packages come behind the standard library and before the machine's own. A tree is a folder of packages, or a venv."""
    venv = os.path.join(tree, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    own = (i for i, p in enumerate(sys.path) if os.path.basename(p) in ("site-packages", "dist-packages"))
    sys.path.insert(next(own, len(sys.path)), venv if os.path.isdir(venv) else tree)


def preload(names):
    for name in names:
        try:
            __import__(name)
        except Exception as e:  # an optional package that is not there must not keep jobs from running
            print(f"preload {name}: {e!r}", file=sys.stderr)
    sys.stderr.flush()


def library_trees():
    """Every folder from which this interpreter imports; no other path is told to the worker."""
    paths = [sysconfig.get_path(k) for k in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [p for p in sys.path if p]
    seen = dict.fromkeys(os.path.abspath(p) for p in paths if p and os.path.isdir(p))
    return [p for p in seen if p != "/"]


def settle_fork_hooks():
    """`random` is seeded anew by its part in C, and the rest would put right the locks and lists of a process with threads, which only
    some preloaded module can have made of this one. What a job imports registers as anywhere."""
    os.register_at_fork = register_at_fork
    random = sys.modules.get("random")
    if random is not None:
        random._inst.gauss_next = None
        register_at_fork(after_in_child=super(random.Random, random._inst).seed)
    if threading.active_count() > 1:
        for hooks in put_off:
            register_at_fork(**hooks)


def spare_exit_hooks():
    """What the end of each process would look through, when there is nothing: workers of executors, handlers of the log."""
    futures = sys.modules.get("concurrent.futures.thread")
    if futures is not None and len(getattr(threading, "_threading_atexits", ())) == 1:
        join_workers = futures._python_exit

        def leave_executors():
            with futures._global_shutdown_lock:
                futures._shutdown = True
            if futures._threads_queues.data:
                join_workers()

        threading._threading_atexits.clear()
        threading._register_atexit(leave_executors)
    state.logging = sys.modules.get("logging")
    if state.logging is not None:
        atexit.unregister(state.logging.shutdown)


def shut_logging_down():
    if state.logging is not None and len(state.logging._handlerList) > 1:  # the first is the last resort, and keeps nothing back
        state.logging.shutdown()


REHEARSAL = b"""
class C:
    def __del__(self): pass
c = C()
print([i for i in range(3)], {'a': 1}, f'{c!r:>4}')
"""
FAILING = REHEARSAL + b"raise ValueError('rehearsal')"


def rehearse(code=REHEARSAL):
    """A whole job without its effects: what is done for the first time after a fork costs page faults and lazy set-up. The zygote does
    it unconfined, so nothing here may look into the host's /tmp: neither by the code's name nor by sys.path."""
    out, err, argv, path, main = sys.stdout, sys.stderr, sys.argv[:], sys.path[:], sys.modules["__main__"]
    environ = dict(os.environ._data)
    sys.stdout = sys.stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        program, names = prepare(None, [], ["A=B"], code)
        try:
            exec(program, names)
        except ValueError as e:
            show(e)
        del program, names
        settle()
    finally:
        sys.stdout, sys.stderr, sys.argv[:], sys.path[:], sys.modules["__main__"] = out, err, argv, path, main
        os.environ._data.clear()
        os.environ._data.update(environ)


def forget_drawn_state():
    """What the standard library has drawn or looked up while the zygote saw the machine. Children draw their own."""
    uuid = sys.modules.get("uuid")
    if uuid is not None:
        uuid._last_timestamp = uuid._node = None
    platform = sys.modules.get("platform")
    if platform is not None:
        platform._uname_cache = None
        platform._platform_cache.clear()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile._name_sequence = tempfile.tempdir = None
    state.numpy_random = sys.modules.get("numpy.random")  # its generator is seeded in each child: it knows of no fork


# A variable of a job's environment that the job does not see: its exit status after an uncaught exception
UNCAUGHT = "WARDER_UNCAUGHT_STATUS"


def exit_status(text):
    return int(text) if text.isdecimal() and 1 <= int(text) <= 255 else 1


def prepare(filename, args, env, source):
    """Gives (code object, namespace of __main__). Raises what `python3 main.py` would print, a SyntaxError for one."""
    path = "/tmp/" + filename if filename else "<rehearsal>"
    sys.argv[:] = [path] + args
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = [sys.executable, path] + args
    if filename:
        sys.path.insert(0, "/tmp")
    os.environ._data.clear()
    for line in env:
        name, _, value = line.partition("=")
        if name == UNCAUGHT:
            state.uncaught = exit_status(value)
            continue
        os.environ._data[os.environ.encodekey(name)] = os.environ.encodevalue(value)
    if state.numpy_random is not None:
        state.numpy_random.seed()
    if os.environ._data.get(b"TZ") != state.tz:
        time.tzset()
    atexit.unregister(warder.run)
    threading._shutdown = threading_shutdown
    threading.main_thread()._set_native_id()
    main = types.ModuleType("__main__")
    loader = importlib.machinery.SourceFileLoader("__main__", path)
    main.__dict__.update(__file__=path, __cached__=None, __loader__=loader, __builtins__=sys.modules["builtins"])
    if sys.version_info < (3, 14):
        main.__dict__["__annotations__"] = {}
    sys.modules["__main__"] = main
    return compile(source, path, "exec", dont_inherit=True), main.__dict__


def exit_code(e):
    """The exit status of a SystemExit, as handle_system_exit of CPython has it."""
    code = e.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 255
    try:
        sys.stderr.flush()
        try:
            sys.stderr.write(str(code))
        finally:
            sys.stderr.write("\n")
    except Exception:
        pass
    return 1


MISSING = object()


def show(e):
    """An uncaught exception, through whatever hook the job has set. Gives the exit status, and whether the hook left by SystemExit."""
    hook = getattr(sys, "excepthook", MISSING)
    sys.last_type, sys.last_value, sys.last_traceback = type(e), e, e.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = e
    try:
        if hook is MISSING:
            sys.stderr.write("sys.excepthook is missing\n")
            hook = sys.__excepthook__
        hook(type(e), e, e.__traceback__)
    except SystemExit as again:
        return exit_code(again), True
    except BaseException as again:
        if hook is not sys.__excepthook__:
            again.__traceback__ = again.__traceback__.tb_next  # without this frame
            sys.stderr.write("Error in sys.excepthook:\n")
            sys.__excepthook__(type(again), again, again.__traceback__)
            sys.stderr.write("\nOriginal exception was:\n")
            sys.__excepthook__(type(e), e, e.__traceback__)
    return state.uncaught, False


def flush(streams, tell=False):
    """Whether they could be flushed. A closed or missing stream needs no flush, as in CPython's flush_std_files."""
    good = True
    for stream in streams:
        try:
            if stream is not None and not getattr(stream, "closed", False):
                stream.flush()
        except BaseException as e:
            good = False
            if stream is streams[0] and tell:
                complain(stream, e)
    return good


def complain(stream, e):
    try:
        sys.stderr.write(f"Exception ignored in: {stream!r}\n{''.join(traceback.format_exception_only(type(e), e))}")
    except BaseException:
        pass


def std_streams():
    return getattr(sys, "stdout", None), getattr(sys, "stderr", None)


def clear_main(names):
    """What is left of __main__ where something still holds it: names with one underscore first, as _PyModule_Clear does."""
    for first in (True, False):
        for name in list(names):
            if name != "__builtins__" and (name.startswith("_") and not name.startswith("__")) == first:
                names[name] = None


def new_modules():
    """Names of what the job imported. The dict keeps its order, so they are the last ones: looking at all names would
    copy a memory page for every few of them."""
    extra = len(sys.modules) - state.n_known
    return [n for n in itertools.islice(reversed(sys.modules), max(extra, 0) + 1) if n not in state.known]


def settle():
    """Destructors and buffers, in the order of Py_FinalizeEx: finalizers see their globals whole, since modules are first let go and
    collected; only what something still holds is emptied. The interpreter's own streams are flushed last, whatever stands in their place."""
    good = flush(std_streams(), tell=True)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, name, getattr(sys, f"__{name}__", None))
    main = sys.modules.pop("__main__", None)
    alive = weakref.ref(main) if isinstance(main, types.ModuleType) else None
    for name in new_modules():
        sys.modules.pop(name, None)
    del main
    gc.collect()
    held = alive() if alive else None
    if held is not None:
        clear_main(held.__dict__)
        del held
        gc.collect()
    flush(state.streams)  # what destructors printed; they may have been detached, which is no failure
    return good


def end(cell):
    """Tells of an uncaught exception and waits for threads. `cell` is a list that holds it, so that nothing else does: what it
    refers to must die before the end. Gives the exit status, and whether it was an interrupt."""
    exception = cell.pop()
    status = 0
    interrupted = type(exception) is KeyboardInterrupt  # as CPython asks
    if isinstance(exception, SystemExit):
        status = exit_code(exception)
    elif exception is not None:
        status, left = show(exception)
        interrupted = interrupted and not left
    exception = None
    try:
        threading_shutdown()
    except BaseException as e:
        show(e)
    return status, interrupted


def leave(status, interrupted):
    """Ends the process as Py_FinalizeEx would, at a thirtieth of its price: what a job can notice is done, freeing is not."""
    sys.last_type = sys.last_value = sys.last_traceback = None
    if sys.version_info >= (3, 12):  # asking for what is not there makes an exception: 60 memory pages
        sys.last_exc = None
    shut_logging_down()
    good = settle()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        status = 130  # it was blocked
    os._exit(status if good else 120)


state = types.SimpleNamespace(known=frozenset(), n_known=0, streams=std_streams(), tz=os.environ._data.get(b"TZ"), uncaught=1,
                              numpy_random=None, logging=None)
threading_shutdown = threading._shutdown


# CPython 3.12.0 and 3.12.1 refuse fork in atexit handlers: there user code has one frame of this module below it
ATEXIT_MAY_FORK = not (3, 12, 0) <= sys.version_info[:3] <= (3, 12, 1)


def own_streams():
    """stdout is flushed line by line, as on a terminal: what a job printed before a limit or a violation ended it is in its result.
    And before CPython 3.12.5 two threads that print at once can write one another's freed buffers (CPython issue 119506): more often
    here, where a write gives the processor away. What goes straight on to the byte buffer is not touched by that."""
    through = sys.version_info < (3, 12, 5)
    sys.stdout.reconfigure(line_buffering=True, write_through=through)
    sys.stderr.reconfigure(write_through=through)


def frame_layout():
    """The line that tells the worker how to read this interpreter's frames, tried on this very one; or why it must not."""
    try:
        me = sys._getframe()
        (layout, *found), line = warder.frames(types.CodeType), me.f_lineno
        code = me.f_code
        if found != [code.co_filename, getattr(code, "co_qualname", code.co_name), line]:
            return f"no_lines=read {found} of line {line}"
        return f"python_frames={layout}"
    except OSError as e:
        return f"no_lines={e}"


def start():
    try:
        if sys.version_info < (3, 8):
            raise RuntimeError(f"Python {sys.version.split()[0]} is too old: 3.8 is needed")
        own_streams()
        tree = os.environ.pop("WARDER_DEPENDENCIES", "")
        if tree:
            add_dependencies(tree)
        preload(warder.setup())
        settle_fork_hooks()
        spare_exit_hooks()
        state.known = frozenset(sys.modules)
        state.n_known = len(state.known)
        rehearse(FAILING)
        exit_code(SystemExit(0))
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            vars(sys).pop(name, None)  # the exception of the rehearsal
        linecache.clearcache()
        forget_drawn_state()
        state.known = frozenset(sys.modules)
        state.n_known = len(state.known)
        lines = [f"version={sys.version.split()[0]}", f"executable={sys.executable}"]
        lines += [f"tree={p}" for p in library_trees()] + [frame_layout()]
        gc.collect()
        gc.freeze()
        warder.ready(os.fsencode("\n".join(lines)))
    except BaseException as e:
        warder.fail(b"zygote", os.fsencode("".join(traceback.format_exception_only(type(e), e)).strip()))
        os._exit(126)
    # Python's exit sequence waits for threads, then calls atexit handlers, ours first: from there no frame of ours
    # lies below user code. The wait is for the job's own end, so it is put off until then.
    threading._shutdown = lambda: None
    atexit.register(warder.run, os.fork, rehearse, prepare, end, atexit._run_exitfuncs, leave)
    if not ATEXIT_MAY_FORK:
        warder.run(os.fork, rehearse, prepare, end, atexit._run_exitfuncs, leave)


start()
