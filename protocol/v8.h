/* v8.h - what a Node zygote tells the worker of its V8, so that the worker can read JavaScript frames from a stopped tracee.
 *
 * Node exports V8's own description of its objects for debuggers: int variables v8dbg_NAME. Names of a field differ between versions, the
 * field does not. The zygote sends one line, "v8=ISOLATE LINE" and then the numbers in this order, decimal, -1 for one that this Node lacks:
 * the isolate's address, and the line in which every child waits for its job.
 */
#ifndef WARDER_V8_H
#define WARDER_V8_H

/* id, names; offsets are bytes from an object's first */
#define V8_NUMBERS(X) \
	X(FUNCTION_SHARED, "class_JSFunction__shared__SharedFunctionInfo") \
	X(SHARED_NAME, "class_SharedFunctionInfo__name_or_scope_info__Object", \
	  "class_SharedFunctionInfo__name_or_scope_info__Tagged_Object_", \
	  "class_SharedFunctionInfo__name_or_scope_info__Tagged_NameOrScopeInfoT_") \
	X(SHARED_SCRIPT, "class_SharedFunctionInfo__script_or_debug_info__HeapObject", \
	  "class_SharedFunctionInfo__script__Tagged_HeapObject_") \
	X(SCRIPT_NAME, "class_Script__name__Object", "class_Script__name__Tagged_Object_") \
	X(SCRIPT_SOURCE, "class_Script__source__Object", "class_Script__source__Tagged_Object_") \
	X(BYTECODE_FIRST, "class_BytecodeArray__data__uintptr_t") \
	X(SCOPE_LOCALS, "scopeinfo_idx_ncontextlocals") \
	X(SCOPE_FIRST, "scopeinfo_idx_first_vars") \
	X(TYPE_SHARED, "type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE") \
	X(TYPE_SCRIPT, "type_Script__SCRIPT_TYPE") \
	X(TYPE_BYTECODE, "type_BytecodeArray__BYTECODE_ARRAY_TYPE") \
	X(TYPE_SCOPE, "type_ScopeInfo__SCOPE_INFO_TYPE")

enum v8_number {
#define X(id, ...) V8_##id,
	V8_NUMBERS(X)
#undef X
	V8_NUMBER_COUNT
};

#define V8_NAMES_MAX 3
#define V8_INFO "v8="
/* where every child waits for its job: the function in the bootstrap's script */
#define V8_WAITS_FILE "node:warder"
#define V8_WAITS_FUNCTION "waitForJob"

#endif
