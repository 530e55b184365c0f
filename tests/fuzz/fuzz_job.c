/* Jobs and results as messages: what is parsed can be packed, and says the same when it is parsed again. */
#include "fuzz.h"

#include "job.h"
#include "rpc.h"

/* As it comes: in a message, which is where sizes that were announced are held against what is there. */
static const msgpack_object *unpack(msgpack_unpacked *u, const void *p, size_t n)
{
	static char whole[1 << 16];
	struct rpc_message m;
	struct err e = {0};

	static const char head[] = "\x93\x02\xa3run\x91";
	if (n > sizeof(whole) - sizeof(head))
		return NULL;
	memcpy(whole, head, sizeof(head) - 1);
	memcpy(whole + sizeof(head) - 1, p, n);
	return rpc_parse((struct bytes){whole, sizeof(head) - 1 + n}, u, &m, &e) == 0 ? m.params : NULL;
}

/* What was packed, NULL when it is too long for another look. `u` is to be destroyed in any case. */
static const msgpack_object *unpack_again(msgpack_unpacked *u, msgpack_sbuffer *b)
{
	const msgpack_object *map = NULL;

	msgpack_unpacked_init(u);
	if (b->size <= 1 << 15) {
		map = unpack(u, b->data, b->size);
		FUZZ_REQUIRE(map, "what was packed cannot be unpacked");
	}
	msgpack_sbuffer_destroy(b);
	return map;
}

static void fuzz_a_job(const msgpack_object *map)
{
	struct job *job, *again;
	msgpack_sbuffer b;
	msgpack_packer pk;
	msgpack_unpacked u;
	struct err e = {0};

	if (job_parse(map, &job, &e)) {
		FUZZ_REQUIRE(e.text[0] || e.step[0], "no words for what is wrong");
		return;
	}
	FUZZ_REQUIRE(job->id && job->filename && job->tenant && !strchr(job->filename, '/'), "defaults are missing");
	rpc_begin(&b, &pk);
	job_pack(job, &pk);
	map = unpack_again(&u, &b);
	if (map) {
		FUZZ_REQUIRE(job_parse(map, &again, &e) == 0, "a packed job is refused: %s %s", e.step, e.text);
		FUZZ_REQUIRE(again->code.len == job->code.len && again->n_args == job->n_args && again->n_env == job->n_env &&
		             again->n_files == job->n_files && again->language == job->language && !strcmp(again->filename, job->filename) &&
		             memcmp(again->limits, job->limits, sizeof(job->limits)) == 0, "a packed job is another one");
		job_free(again);
	}
	job_free(job);
	msgpack_unpacked_destroy(&u);
}

static void fuzz_a_result(const msgpack_object *map)
{
	struct result r = {0}, again = {0};
	msgpack_sbuffer b;
	msgpack_packer pk;
	msgpack_unpacked u;
	struct err e = {0};

	if (result_parse(map, &r, &e)) {
		result_done(&r);
		return;
	}
	rpc_begin(&b, &pk);
	result_pack(&r, &pk);
	map = unpack_again(&u, &b);
	if (map) {
		FUZZ_REQUIRE(result_parse(map, &again, &e) == 0, "a packed result is refused: %s %s", e.step, e.text);
		FUZZ_REQUIRE(again.outcome == r.outcome && again.n_violations == r.n_violations && again.n_files == r.n_files &&
		             again.limits_hit == r.limits_hit && again.layers == r.layers, "a packed result is another one");
		result_done(&again);
	}
	result_done(&r);
	msgpack_unpacked_destroy(&u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	msgpack_unpacked u;

	msgpack_unpacked_init(&u);
	const msgpack_object *map = size > 1 ? unpack(&u, data + 1, size - 1) : NULL;
	if (map && map->type == MSGPACK_OBJECT_MAP)
		(data[0] & 1 ? fuzz_a_result : fuzz_a_job)(map);
	msgpack_unpacked_destroy(&u);
	return 0;
}
