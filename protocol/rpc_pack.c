#include "rpc_pack.h"

#include <stdio.h>
#include <string.h>

#include "rpc.h"
#include "utf8.h"

void rpc_begin(msgpack_sbuffer *b, msgpack_packer *pk)
{
	msgpack_sbuffer_init(b);
	msgpack_packer_init(pk, b, msgpack_sbuffer_write);
}

static void pack_literal(msgpack_packer *pk, const char *s)
{
	msgpack_pack_str(pk, strlen(s));
	msgpack_pack_str_body(pk, s, strlen(s));
}

void rpc_pack_request(msgpack_packer *pk, uint32_t msgid, const char *method)
{
	msgpack_pack_array(pk, 4);
	msgpack_pack_int(pk, RPC_REQUEST);
	msgpack_pack_uint32(pk, msgid);
	pack_literal(pk, method);
	msgpack_pack_array(pk, 1);
}

void rpc_pack_response_ok(msgpack_packer *pk, uint32_t msgid)
{
	msgpack_pack_array(pk, 4);
	msgpack_pack_int(pk, RPC_RESPONSE);
	msgpack_pack_uint32(pk, msgid);
	msgpack_pack_nil(pk);
}

void rpc_pack_response_error(msgpack_packer *pk, uint32_t msgid, enum rpc_error code, const char *text)
{
	char line[RPC_ERROR_MAX];

	snprintf(line, sizeof(line), "%s: %s", rpc_error_name(code), text);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?'; /* names in it are the caller's, and end up on terminals */
	msgpack_pack_array(pk, 4);
	msgpack_pack_int(pk, RPC_RESPONSE);
	msgpack_pack_uint32(pk, msgid);
	rpc_pack_cstr(pk, line);
	msgpack_pack_nil(pk);
}

void rpc_pack_notify(msgpack_packer *pk, const char *method)
{
	msgpack_pack_array(pk, 3);
	msgpack_pack_int(pk, RPC_NOTIFY);
	pack_literal(pk, method);
	msgpack_pack_array(pk, 1);
}

static const char replacement[] = "\xef\xbf\xbd";

/* Good runs as they are, each bad byte as one U+FFFD. Two passes, since the length comes first. */
static size_t good_length(const char *s, size_t len)
{
	size_t out = 0;

	while (len > 0) {
		size_t n = utf8_prefix(s, len);
		size_t bad = n < len;

		out += n + bad * 3;
		s += n + bad;
		len -= n + bad;
	}
	return out;
}

void rpc_pack_cstr(msgpack_packer *pk, const char *s)
{
	if (!s) {
		msgpack_pack_nil(pk);
		return;
	}
	size_t len = strlen(s);

	msgpack_pack_str(pk, good_length(s, len));
	while (len > 0) {
		size_t n = utf8_prefix(s, len);
		size_t bad = n < len;

		msgpack_pack_str_body(pk, s, n);
		if (bad)
			msgpack_pack_str_body(pk, replacement, 3);
		s += n + bad;
		len -= n + bad;
	}
}

void rpc_pack_bin(msgpack_packer *pk, struct bytes b)
{
	msgpack_pack_bin(pk, b.len);
	msgpack_pack_bin_body(pk, b.p, b.len);
}
