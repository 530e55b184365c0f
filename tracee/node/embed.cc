#include "embed.h"

#include <node.h>

static node::Environment *environment()
{
	return node::GetCurrentEnvironment(v8::Isolate::GetCurrent()->GetCurrentContext());
}

static node::Environment *env; // one a process

void embed_leave_by(void (*leave)(int code))
{
	env = environment();
	node::SetProcessExitHandler(env, [leave](node::Environment *, int code) { leave(code); });
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
