#include "embed.h"

#include <node.h>

#include <dlfcn.h>

#include <cerrno>

static node::Environment *env; // one a process
// A virtual function of MultiIsolatePlatform, whose table differs between versions; its name does not.
static bool (*run_tasks)(node::MultiIsolatePlatform *, v8::Isolate *);

int embed_init()
{
	env = node::GetCurrentEnvironment(v8::Isolate::GetCurrent()->GetCurrentContext());
	run_tasks = reinterpret_cast<decltype(run_tasks)>(dlsym(RTLD_DEFAULT, "_ZN4node12NodePlatform20FlushForegroundTasksEPN2v87IsolateE"));
	return run_tasks ? 0 : -ENOSYS;
}

bool embed_run_tasks()
{
	v8::HandleScope scope(v8::Isolate::GetCurrent());

	return run_tasks(node::GetMultiIsolatePlatform(env), v8::Isolate::GetCurrent());
}

void embed_leave_by(void (*leave)(int code))
{
	node::SetProcessExitHandler(env, [leave](node::Environment *, int code) { leave(code); });
}

const void *embed_isolate()
{
	return v8::Isolate::GetCurrent();
}

void embed_before_exit()
{
	v8::HandleScope scope(v8::Isolate::GetCurrent());

	(void)node::EmitProcessBeforeExit(env).IsJust();
}

int embed_exit()
{
	v8::HandleScope scope(v8::Isolate::GetCurrent());

	return node::EmitProcessExit(env).FromMaybe(1);
}

static size_t raise_limit(void *, size_t current, size_t)
{
	return current + current / 4;
}

void embed_limit_heap(size_t bytes)
{
	v8::Isolate *isolate = v8::Isolate::GetCurrent();

	// the one way to lower it is to remove a callback
	isolate->AddNearHeapLimitCallback(raise_limit, nullptr);
	isolate->RemoveNearHeapLimitCallback(raise_limit, bytes);
	isolate->AddNearHeapLimitCallback(raise_limit, nullptr);
}
