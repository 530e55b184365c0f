#include "arenas.h"

#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define ROOM  (128ul << 20) /* address space alone until it is used */
#define LARGE (2ul << 20)
#define SMALL_MAX  512  /* bytes: what is larger comes from malloc */
#define SMALL_STEP 16
#define POOL_HEAD  48   /* bytes before a pool's first object */
#define HOLES_MOST (16ul << 20) /* bytes: should small objects come from elsewhere, as PYTHONMALLOC says */

/* PyObjectArenaAllocator, as it is since CPython 3.4; no part of the stable ABI, so it is looked up. */
struct allocator {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p, size_t size);
};

static struct {
	char *at, *end; /* NULL: none */
} room;

static void *take(void *ctx, size_t size)
{
	(void)ctx;
	if (size <= (size_t)(room.end - room.at) && mprotect(room.at, size, PROT_READ | PROT_WRITE) == 0) {
		room.at += size;
		return room.at - size;
	}
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void give_back(void *ctx, void *p, size_t size)
{
	(void)ctx;
	munmap(p, size);
}

void arenas_begin(void)
{
	struct allocator ours = {NULL, take, give_back};
	void *symbol = dlsym(RTLD_DEFAULT, "PyObject_SetArenaAllocator");
	void (*set)(struct allocator *);

	if (!symbol)
		return;
	char *p = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return;
	room.at = (char *)(((uintptr_t)p + LARGE - 1) & ~(uintptr_t)(LARGE - 1));
	room.end = p + ROOM;
	if (room.at > p)
		munmap(p, (size_t)(room.at - p));
	memcpy(&set, &symbol, sizeof(set));
	set(&ours);
}

void arenas_end(void)
{
	if (room.end > room.at)
		munmap(room.at, (size_t)(room.end - room.at));
	room.at = room.end = NULL;
}

void arenas_use_up_holes(void *(*allocate)(size_t size), size_t pool)
{
	size_t left = HOLES_MOST;

	for (size_t size = SMALL_STEP; size <= SMALL_MAX; size += SMALL_STEP) {
		uintptr_t last = 0, next = 0;
		/* two at the beginning of a pool: it is a new one, which none is as long as others have room */
		while (left > size && !(last % pool == POOL_HEAD && next == last + size)) {
			last = next;
			next = (uintptr_t)allocate(size);
			left -= size;
		}
	}
}
