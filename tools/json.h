/* json.h - prints a message of the wire as JSON.
 *
 * Keys keep the order they came in. Strings and binaries that are UTF-8 become JSON strings, all others
 * {"base64": "…"}. Who may use it: sub-commands with --json. Errors are the stream's: ask ferror.
 */
#ifndef WARDER_JSON_H
#define WARDER_JSON_H

#include <msgpack.h>
#include <stdio.h>

void json_print(FILE *f, const msgpack_object *o);

#endif
