/* rpc_pack.h - messages of msgpack-RPC written: the frame of each kind, and strings that every client can read.
 *
 * A message is packed into a buffer, head first; what follows the head is the caller's to pack. Who may use it: whoever writes messages, or parts of
 * one. No state; the buffer is the caller's. rpc.h has the reading.
 */
#ifndef WARDER_RPC_PACK_H
#define WARDER_RPC_PACK_H

#include <msgpack.h>
#include <stdint.h>

#include "bytes.h"
#include "words.h"

void rpc_begin(msgpack_sbuffer *b, msgpack_packer *pk); /* an empty buffer, and a packer that writes to it */
/* Packing. The error is "code: message"; response_ok leaves the packer where the result is to be packed. */
void rpc_pack_request(msgpack_packer *pk, uint32_t msgid, const char *method); /* then pack the map */
void rpc_pack_response_ok(msgpack_packer *pk, uint32_t msgid);                 /* then pack the result */
#define RPC_ERROR_MAX 1600 /* bytes of an error; what is longer is cut */
void rpc_pack_response_error(msgpack_packer *pk, uint32_t msgid, enum rpc_error code, const char *text);
void rpc_pack_notify(msgpack_packer *pk, const char *method);                  /* then pack the map */
/* nil for NULL. Always good UTF-8, since clients of some languages break on anything else: bad bytes become U+FFFD. */
void rpc_pack_cstr(msgpack_packer *pk, const char *s);
void rpc_pack_bin(msgpack_packer *pk, struct bytes b);

#endif
