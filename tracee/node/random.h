/* random.h - the random generator of a V8 isolate, which a fork would share.
 *
 * Math.random of each context is seeded from it at its first use, and no call of V8's seeds it anew. So it is looked for in the isolate by
 * what it must satisfy. Only _warder.c calls these, on Node's main thread. Errors: -errno.
 */
#ifndef WARDER_NODE_RANDOM_H
#define WARDER_NODE_RANDOM_H

/* In the zygote, before it is confined. -ENOENT: no such generator is there. */
int random_find(const void *isolate);
/* In each child. */
int random_renew(void);

#endif
