/* _warder - the native addon of the Python tracee: the zygote's loop, and the call into user code.
 *
 * abi3 (CPython 3.8 and later). `run` is called by the interpreter's own exit sequence (atexit), which is the one moment
 * at which no Python frame lies below: user code then runs as the bottom frame, as `python3 main.py` would run
 * it, and neither tracebacks nor inspect see anything of Warder. `run` never returns.
 */
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arenas.h"
#include "layouts.h"
#include "zygote.h"

/* 0: unknown. */
static unsigned long hexversion(void)
{
	PyObject *version = PySys_GetObject("hexversion");

	return version ? PyLong_AsUnsignedLong(version) : 0;
}

static PyObject *raise_err(const struct err *e)
{
	char buf[512];

	PyErr_SetString(PyExc_OSError, err_str(e, buf, sizeof(buf)));
	return NULL;
}

PyDoc_STRVAR(setup_doc, "setup() -> list of module names to preload. Receives the worker's set-up. OSError.");
static PyObject *w_setup(PyObject *self, PyObject *unused)
{
	struct err e = {0};
	const char *name;

	(void)self, (void)unused;
	if (zygote_setup(&name, &e) < 0)
		return raise_err(&e);
	PyObject *list = PyList_New(0);
	for (; list && *name; name += strlen(name) + 1) {
		PyObject *s = PyUnicode_FromString(name);
		if (!s || PyList_Append(list, s) < 0)
			Py_CLEAR(list);
		Py_XDECREF(s);
	}
	return list;
}

PyDoc_STRVAR(ready_doc, "ready(info: bytes) confines the zygote and tells the worker. OSError.");
static PyObject *w_ready(PyObject *self, PyObject *info)
{
	struct err e = {0};
	char *s = PyBytes_AsString(info);

	(void)self;
	if (!s)
		return NULL;
	arenas_end();
	if (zygote_ready(s, &e) < 0)
		return raise_err(&e);
	Py_RETURN_NONE;
}

PyDoc_STRVAR(fail_doc, "fail(step: bytes, text: bytes) tells the worker why the zygote cannot serve.");
static PyObject *w_fail(PyObject *self, PyObject *args)
{
	const char *step, *text;
	struct err e = {0};

	(void)self;
	if (!PyArg_ParseTuple(args, "yy:fail", &step, &text))
		return NULL;
	err_set(&e, ERR_HOST, step, 0, "%s", text);
	zygote_fail(&e);
	Py_RETURN_NONE;
}

/* What the worker would read of the frame that called, as a tuple; NULL without an exception: nothing. */
static PyObject *read_own_frame(const struct pyframes *p, int mem)
{
	uint64_t t_thread = pyframes_thread(p, mem, (pid_t)syscall(SYS_gettid), 0);
	uint64_t t_frame = t_thread == p->v[PY_MAIN] ? pyframes_innermost(p, mem, t_thread) : 0;
	char text[PYFRAMES_TEXT], file[256], function[256];
	struct pyframe f;

	pyframes_format(p, text);
	if (!t_frame || !pyframes_next(p, mem, &t_frame, &f) || pyframes_text(p, mem, f.t_file, file, sizeof(file)) < 0 ||
	    pyframes_text(p, mem, f.t_function, function, sizeof(function)) < 0)
		return NULL;
	return Py_BuildValue("(sssi)", text, file, function, pyframes_line(p, mem, &f));
}

PyDoc_STRVAR(frames_doc, "frames(code type) -> (layout, file, function, line) of the calling frame, read as the worker does. OSError.");
static PyObject *w_frames(PyObject *self, PyObject *code_type)
{
	PyObject *found = NULL;
	const char *why = "its frames do not read as this version's do";
	struct pyframes p, again;
	char text[PYFRAMES_TEXT];

	(void)self;
	if (layouts_find(hexversion(), (uint64_t)code_type, (uint64_t)PyThreadState_Get(), &p, &why) == 0) {
		pyframes_format(&p, text);
		int mem = pyframes_parse(&again, text) ? -1 : open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
		if (mem >= 0) {
			found = read_own_frame(&p, mem);
			close(mem);
		}
	}
	if (!found && !PyErr_Occurred())
		PyErr_SetString(PyExc_OSError, why);
	return found;
}

static _Noreturn void leave(const struct err *e)
{
	zygote_fail(e);
	_exit(126);
}

/* An exception in Warder's own Python code is a bug or a broken interpreter: tell it, and end this process. */
static _Noreturn void leave_with_exception(const char *step)
{
	PyObject *type, *value, *trace, *text = NULL, *bytes = NULL;
	struct err e = {0};

	PyErr_Fetch(&type, &value, &trace);
	if (value)
		text = PyObject_Str(value);
	if (text)
		bytes = PyUnicode_AsUTF8String(text);
	err_set(&e, ERR_BUG, step, 0, "%s", bytes ? PyBytes_AsString(bytes) : "exception");
	leave(&e);
}

static PyObject *strings(char **v)
{
	PyObject *list = PyList_New(0);

	for (; list && *v; v++) {
		PyObject *s = PyUnicode_DecodeFSDefault(*v);
		if (!s || PyList_Append(list, s) < 0)
			Py_CLEAR(list);
		Py_XDECREF(s);
	}
	return list;
}

static PyObject *call(PyObject *f, PyObject *args)
{
	PyObject *r = args ? PyObject_CallObject(f, args) : NULL;

	Py_XDECREF(args);
	return r;
}

/* Python functions of the bootstrap; borrowed, they live as long as the process. */
struct script {
	PyObject *fork, *rehearse;
	PyObject *prepare;     /* (filename, args, env, code) gives (code object, namespace); raises what python3 main.py would print */
	PyObject *end;         /* ([exception or None]) gives (status, interrupted) */
	PyObject *run_atexit;  /* called from here, so that a failing handler's traceback shows the job's frames alone */
	PyObject *leave;       /* (status, interrupted) does not return */
};

/* The exception that is set, new; None when there is none. One that has no frame of the job gets none of ours. */
static PyObject *take_exception(int has_frames)
{
	PyObject *type, *value, *trace;

	PyErr_Fetch(&type, &value, &trace);
	if (!type)
		Py_RETURN_NONE;
	PyErr_NormalizeException(&type, &value, &trace);
	PyException_SetTraceback(value, has_frames && trace ? trace : Py_None);
	Py_XDECREF(type);
	Py_XDECREF(trace);
	return value;
}

static PyObject *run_program(const struct script *s, const struct zygote_job *j)
{
	PyObject *program = call(s->prepare, Py_BuildValue("(NNNN)", PyUnicode_DecodeFSDefault(j->filename), strings(j->args),
	                                                   strings(j->env), PyBytes_FromStringAndSize(j->code.p, j->code.len)));
	if (!program)
		return take_exception(0);
	PyObject *names = PyTuple_GetItem(program, 1);
	Py_XDECREF(PyEval_EvalCode(PyTuple_GetItem(program, 0), names, names));
	PyObject *exception = take_exception(1);
	Py_DECREF(program); /* or it would keep alive what is to be finalized */
	return exception;
}

static _Noreturn void live(const struct script *s)
{
	struct zygote_job j;
	struct err e = {0};

	if (zygote_confine(getppid(), NULL, 0, &e) < 0)
		leave(&e);
	if (zygote_may_rehearse() && !call(s->rehearse, PyTuple_New(0)))
		leave_with_exception("rehearse");
	if (zygote_wait_for_job(&j, &e) < 0)
		leave(&e);
	PyObject *cell = PyList_New(0);
	PyObject *exception = run_program(s, &j);
	if (cell)
		PyList_Append(cell, exception);
	Py_DECREF(exception);
	PyObject *status = call(s->end, Py_BuildValue("(N)", cell));
	if (!status)
		PyErr_Clear();
	if (!call(s->run_atexit, PyTuple_New(0)))
		PyErr_Clear(); /* told already */
	call(s->leave, status ? status : Py_BuildValue("(ii)", 1, 0));
	_exit(120); /* leave does not return; if user code broke it, flushing failed: Python's own status for that */
}

static void fork_failed(void)
{
	PyObject *type, *value, *trace, *text;
	struct err e = {0};

	PyErr_Fetch(&type, &value, &trace);
	text = value ? PyObject_Str(value) : NULL;
	text = text ? PyUnicode_AsUTF8String(text) : NULL;
	err_set(&e, ERR_HOST, "fork", 0, "%s", text ? PyBytes_AsString(text) : "failed in the zygote");
	zygote_fail(&e);
	PyErr_Clear();
}

PyDoc_STRVAR(run_doc, "run(fork, rehearse, prepare, end, run_atexit, leave): the zygote's loop; never returns.");
static PyObject *w_run(PyObject *self, PyObject *args)
{
	struct script s;
	struct err e = {0};
	int r;

	(void)self;
	if (!PyArg_ParseTuple(args, "OOOOOO:run", &s.fork, &s.rehearse, &s.prepare, &s.end, &s.run_atexit, &s.leave))
		return NULL;
	arenas_use_up_holes(PyObject_Malloc, hexversion() >= 0x030a0000 ? 16384 : 4096);
	Py_INCREF(args); /* before CPython 3.10 atexit lets go of them when the handler unregisters itself */
	while ((r = zygote_next(&e)) > 0) {
		PyObject *pid = PyObject_CallObject(s.fork, NULL); /* os.fork: with the interpreter's at-fork handlers */
		if (!pid) {
			fork_failed();
			continue;
		}
		long n = PyLong_AsLong(pid);
		Py_DECREF(pid);
		if (n == 0)
			live(&s);
		zygote_forked((pid_t)n);
	}
	_exit(r < 0 ? 126 : 0);
}

static PyMethodDef methods[] = {
	{"setup", w_setup, METH_NOARGS, setup_doc},
	{"ready", w_ready, METH_O, ready_doc},
	{"fail", w_fail, METH_VARARGS, fail_doc},
	{"frames", w_frames, METH_O, frames_doc},
	{"run", w_run, METH_VARARGS, run_doc},
	{0},
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "_warder", .m_doc = "Warder's Python tracee (internal).", .m_size = -1, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__warder(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__warder(void)
{
	arenas_begin();
	return PyModule_Create(&module);
}
