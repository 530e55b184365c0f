/* _warder - the native addon of the Python tracee: the zygote's loop, and the call into user code.
 *
 * abi3 (CPython 3.8 and later). `run` is called by the interpreter's own exit sequence (atexit), which is the one moment
 * at which no Python frame lies below: user code then runs as the bottom frame, as `python3 main.py` would run
 * it, and neither tracebacks nor inspect see anything of Warder. `run` never returns.
 */
#include <Python.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zygote.h"

extern char **environ;

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

/* The job's environment replaces the zygote's in C too: getenv must see it, and nothing of the zygote's. */
static void replace_environ(char **env)
{
	clearenv();
	for (; *env; env++)
		putenv(*env); /* the strings stay, zygote.h */
}

static PyObject *call(PyObject *f, PyObject *args)
{
	PyObject *r = args ? PyObject_CallObject(f, args) : NULL;

	Py_XDECREF(args);
	return r;
}

/* In the newborn. prepare(filename, args, env, code) gives (code object, namespace), or None after it told an error;
 * finish(exception or None) flushes and leaves. */
static _Noreturn void live(PyObject *rehearse, PyObject *prepare, PyObject *finish)
{
	struct zygote_job j;
	struct err e = {0};
	PyObject *type = NULL, *value = NULL, *trace = NULL;

	if (zygote_confine(getppid(), &e) < 0)
		leave(&e);
	if (zygote_may_rehearse() && !call(rehearse, PyTuple_New(0)))
		leave_with_exception("rehearse");
	if (zygote_wait_for_job(&j, &e) < 0)
		leave(&e);
	replace_environ(j.env);
	PyObject *program = call(prepare, Py_BuildValue("(NNNN)", PyUnicode_DecodeFSDefault(j.filename), strings(j.args),
	                                                strings(j.env), PyBytes_FromStringAndSize(j.code.p, j.code.len)));
	if (program) {
		PyObject *names = PyTuple_GetItem(program, 1);
		PyObject *r = PyEval_EvalCode(PyTuple_GetItem(program, 0), names, names);
		Py_XDECREF(r);
	}
	PyErr_Fetch(&type, &value, &trace);
	if (type) {
		PyErr_NormalizeException(&type, &value, &trace);
		/* what does not compile has no frame, and none of ours */
		PyException_SetTraceback(value, program && trace ? trace : Py_None);
	}
	Py_XDECREF(type);
	Py_XDECREF(trace);
	Py_XDECREF(program);
	call(finish, Py_BuildValue("(N)", value ? value : (Py_INCREF(Py_None), Py_None)));
	_exit(120); /* finish does not return; if user code broke it, flushing failed: Python's own status for that */
}

PyDoc_STRVAR(run_doc, "run(fork, rehearse, prepare, finish): the zygote's loop; never returns.");
static PyObject *w_run(PyObject *self, PyObject *args)
{
	PyObject *fork_, *rehearse, *prepare, *finish;
	struct err e = {0};
	int r;

	(void)self;
	if (!PyArg_ParseTuple(args, "OOOO:run", &fork_, &rehearse, &prepare, &finish))
		return NULL;
	while ((r = zygote_next(&e)) > 0) {
		PyObject *pid = PyObject_CallObject(fork_, NULL); /* os.fork: with the interpreter's at-fork handlers */
		if (!pid) {
			PyErr_Clear();
			err_set(&e, ERR_HOST, "fork", EAGAIN, "the zygote could not fork");
			zygote_fail(&e);
			continue;
		}
		long n = PyLong_AsLong(pid);
		Py_DECREF(pid);
		if (n == 0)
			live(rehearse, prepare, finish);
	}
	_exit(r < 0 ? 126 : 0);
}

static PyMethodDef methods[] = {
	{"setup", w_setup, METH_NOARGS, setup_doc},
	{"ready", w_ready, METH_O, ready_doc},
	{"fail", w_fail, METH_VARARGS, fail_doc},
	{"run", w_run, METH_VARARGS, run_doc},
	{0},
};

static struct PyModuleDef module = {
	PyModuleDef_HEAD_INIT, .m_name = "_warder", .m_doc = "Warder's Python tracee (internal).", .m_size = -1, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__warder(void);
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__warder(void)
{
	return PyModule_Create(&module);
}
