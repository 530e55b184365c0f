#include "resolver.h"

#include <ares.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "log.h"

#define STARTS_A_TURN 16 /* questions sent before brokered calls get their turn */
#define BUCKETS 256      /* a power of two */
#define RESOLV_CONF "/etc/resolv.conf"

struct channel { /* one reading of RESOLV_CONF; the last one is asked, those before it only finish */
	struct channel *next;
	struct resolver *resolver;
	ares_channel ares;
	struct timespec conf_changed;       /* RESOLV_CONF when it was opened */
	struct watch *watches;
	ev_timer patience;
	unsigned asked;                     /* names that it has no answer for yet */
};

struct watch { /* one of a channel's sockets */
	struct watch *next;
	struct channel *channel;
	ev_io io;
};

struct resolver_entry { /* a name: waiting to be asked, asked, or answered */
	struct resolver_entry *next;        /* in its bucket */
	struct resolver_entry *next_queued;
	struct resolver *resolver;
	struct channel *channel;            /* asked: where */
	bool known;
	ev_tstamp until;                    /* known: how long */
	struct resolver_wait *waits;
	struct resolver_answer answer;
	char name[RESOLVER_NAME_MAX + 1];
};

struct resolver {
	struct ev_loop *loop;
	char *servers;
	int try_ms;
	struct channel *channels;           /* the newest first */
	ev_timer turn;
	struct resolver_entry *buckets[BUCKETS];
	unsigned n_known;
	struct resolver_entry *queued, **last_queued;
};

/* --- c-ares on the loop ------------------------------------------------------------------------------------ */

/* c-ares's next time-out, after whatever may have changed it. */
static void be_patient(struct channel *c)
{
	struct timeval most = {3600, 0}, t;
	struct ev_loop *loop = c->resolver->loop;

	ev_timer_stop(loop, &c->patience);
	if (!c->asked)
		return;
	ares_timeout(c->ares, &most, &t);
	ev_timer_set(&c->patience, t.tv_sec + t.tv_usec / 1e6, 0);
	ev_timer_start(loop, &c->patience);
}

static void on_patience(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct channel *c = t->data;

	(void)loop, (void)revents;
	ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	be_patient(c);
}

static void on_socket(struct ev_loop *loop, ev_io *io, int revents)
{
	struct channel *c = ((struct watch *)io->data)->channel;
	int fd = io->fd; /* the watch may be gone when this returns */

	(void)loop;
	ares_process_fd(c->ares, revents & EV_READ ? fd : ARES_SOCKET_BAD, revents & EV_WRITE ? fd : ARES_SOCKET_BAD);
	be_patient(c);
}

/* c-ares opens a socket, wants something else of it, or is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct channel *c = data;
	struct watch **at = &c->watches;

	while (*at && (*at)->io.fd != fd)
		at = &(*at)->next;
	struct watch *w = *at;
	if (w) {
		ev_io_stop(c->resolver->loop, &w->io);
	} else if (readable || writable) {
		w = calloc(1, sizeof(*w));
		if (!w)
			return; /* the question times out */
		w->channel = c;
		w->io.data = w;
		ev_init(&w->io, on_socket);
		w->next = c->watches;
		at = &c->watches;
		*at = w;
	}
	if (readable || writable) {
		ev_io_set(&w->io, fd, (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
		ev_io_start(c->resolver->loop, &w->io);
	} else if (w) {
		*at = w->next;
		free(w);
	}
}

static struct timespec conf_changed(void)
{
	struct stat st;

	return stat(RESOLV_CONF, &st) ? (struct timespec){0} : st.st_mtim;
}

static void close_channel(struct channel *c)
{
	ev_timer_stop(c->resolver->loop, &c->patience);
	ares_destroy(c->ares);
	free(c);
}

static struct channel *open_channel(struct resolver *r)
{
	struct channel *c = calloc(1, sizeof(*c));
	struct ares_options o = {.timeout = r->try_ms, .tries = RESOLVER_TRIES, .sock_state_cb = on_socket_state, .sock_state_cb_data = c};

	if (!c)
		return NULL;
	c->resolver = r;
	c->conf_changed = conf_changed();
	ev_init(&c->patience, on_patience);
	c->patience.data = c;
	if (ares_init_options(&c->ares, &o, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) != ARES_SUCCESS) {
		free(c);
		return NULL;
	}
	if (r->servers && ares_set_servers_ports_csv(c->ares, r->servers) != ARES_SUCCESS) {
		close_channel(c);
		return NULL;
	}
	c->next = r->channels;
	r->channels = c;
	return c;
}

/* Never from inside c-ares: closes what has finished. */
static void close_finished(struct resolver *r)
{
	for (struct channel **at = r->channels ? &r->channels->next : NULL, *c; at && (c = *at);) {
		if (c->asked) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		close_channel(c);
	}
}

/* A machine's servers change, in containers above all; c-ares reads them once a channel. */
static struct channel *channel_to_ask(struct resolver *r)
{
	struct timespec now = conf_changed();
	struct channel *c = r->channels;

	if (c && now.tv_sec == c->conf_changed.tv_sec && now.tv_nsec == c->conf_changed.tv_nsec)
		return c;
	c = open_channel(r);
	close_finished(r);
	return c ? c : r->channels;
}

/* --- the cache --------------------------------------------------------------------------------------------- */

static struct resolver_entry **bucket_of(struct resolver *r, const char *name)
{
	unsigned h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return &r->buckets[h % BUCKETS];
}

static void drop_known(struct resolver *r, ev_tstamp until)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct resolver_entry **at = &r->buckets[b], *en; (en = *at);)
			if (en->known && en->until <= until) {
				*at = en->next;
				free(en);
				r->n_known--;
			} else {
				at = &en->next;
			}
}

/* Out go those that are over; when that does not help, all: a full look-up once in RESOLVER_CACHE_MAX names. */
static void make_room(struct resolver *r)
{
	if (r->n_known < RESOLVER_CACHE_MAX)
		return;
	drop_known(r, ev_now(r->loop));
	if (r->n_known > RESOLVER_CACHE_MAX / 2)
		drop_known(r, ev_now(r->loop) + RESOLVER_TTL_MOST + 1);
}

static void unlink_wait(struct resolver_wait *w)
{
	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	w->next = NULL;
	w->at = NULL;
}

static void settle(struct resolver_entry *en, double ttl)
{
	struct resolver *r = en->resolver;
	struct resolver_answer a = en->answer; /* a waiting one's call may make room, and this entry go */

	en->known = true;
	en->until = ev_now(r->loop) + ttl;
	r->n_known++;
	if (a.failed)
		log_write(LOG_WARN, "name_not_resolved", "name=%s error=\"%s\"", en->name, a.failed);
	struct resolver_wait *w = en->waits;
	if (w) /* the list is ours now: those that are forgotten meanwhile unlink themselves from it */
		w->at = &w;
	en->waits = NULL;
	while (w) {
		struct resolver_wait *first = w;
		unlink_wait(first);
		first->on_answer(first, &a);
	}
}

static void add_address(struct resolver_answer *a, const struct sockaddr *sa)
{
	struct in6_addr new = {{{[10] = 0xff, [11] = 0xff}}};

	if (sa->sa_family == AF_INET)
		memcpy(&new.s6_addr[12], &((const struct sockaddr_in *)sa)->sin_addr, 4);
	else if (sa->sa_family == AF_INET6)
		new = ((const struct sockaddr_in6 *)sa)->sin6_addr;
	else
		return;
	for (unsigned i = 0; i < a->n; i++)
		if (memcmp(&a->v[i], &new, sizeof(new)) == 0)
			return;
	if (a->n == RESOLVER_ADDRESSES_MAX)
		a->left_out = true;
	else
		a->v[a->n++] = new;
}

static double bounded(double ttl)
{
	return ttl < RESOLVER_TTL_LEAST ? RESOLVER_TTL_LEAST : ttl > RESOLVER_TTL_MOST ? RESOLVER_TTL_MOST : ttl;
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct resolver_entry *en = arg;
	double ttl = RESOLVER_TTL_MOST;

	(void)timeouts;
	en->channel->asked--;
	if (status == ARES_EDESTRUCTION) {
		ares_freeaddrinfo(res);
		return; /* resolver_free does the rest */
	}
	for (struct ares_addrinfo_node *n = res ? res->nodes : NULL; n; n = n->ai_next) {
		add_address(&en->answer, n->ai_addr);
		ttl = n->ai_ttl < ttl ? n->ai_ttl : ttl;
	}
	for (struct ares_addrinfo_cname *c = res ? res->cnames : NULL; c; c = c->next)
		ttl = c->ttl < ttl ? c->ttl : ttl;
	ares_freeaddrinfo(res);
	if (!en->answer.n) {
		en->answer.failed = status == ARES_SUCCESS ? "the name has no address" : ares_strerror(status);
		ttl = RESOLVER_TTL_FAILED;
	}
	settle(en, bounded(ttl));
}

/* --- asking ------------------------------------------------------------------------------------------------ */

/* Never from inside a call of c-ares's: it may close a channel, and c-ares calls back at once for what its files know. */
static void on_turn(struct ev_loop *loop, ev_timer *t, int revents)
{
	/* without a port or a protocol, so that every address comes once; the order is the job's own libc's to choose */
	const struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT, .ai_socktype = SOCK_STREAM};
	struct resolver *r = t->data;

	(void)revents;
	for (int i = 0; i < STARTS_A_TURN && r->queued; i++) {
		struct resolver_entry *en = r->queued;
		r->queued = en->next_queued;
		if (!r->queued)
			r->last_queued = &r->queued;
		en->channel = channel_to_ask(r);
		if (!en->channel) {
			en->answer.failed = "no resolver on this machine";
			settle(en, RESOLVER_TTL_FAILED);
			continue;
		}
		en->channel->asked++;
		ares_getaddrinfo(en->channel->ares, en->name, NULL, &hints, on_addresses, en);
	}
	if (r->channels)
		be_patient(r->channels);
	if (r->queued)
		ev_timer_start(loop, t);
}

static struct resolver_entry *ask_anew(struct resolver *r, struct resolver_entry **bucket, const char *name)
{
	struct resolver_entry *en = calloc(1, sizeof(*en));

	if (!en)
		return NULL;
	en->resolver = r;
	strncpy(en->name, name, RESOLVER_NAME_MAX);
	en->next = *bucket;
	*bucket = en;
	*r->last_queued = en;
	r->last_queued = &en->next_queued;
	ev_timer_start(r->loop, &r->turn);
	return en;
}

const struct resolver_answer *resolver_ask(struct resolver *r, const char *name, struct resolver_wait *w)
{
	static const struct resolver_answer too_long = {.failed = "the name is too long"}, no_memory = {.failed = "no memory"};

	if (strlen(name) > RESOLVER_NAME_MAX)
		return &too_long;
	make_room(r);
	struct resolver_entry **bucket = bucket_of(r, name), **at = bucket;
	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	struct resolver_entry *en = *at;
	if (en && en->known && en->until > ev_now(r->loop))
		return &en->answer;
	if (en && en->known) {
		*at = en->next;
		free(en);
		r->n_known--;
		en = NULL;
	}
	if (!en)
		en = ask_anew(r, bucket, name);
	if (!en)
		return &no_memory;
	w->next = en->waits;
	w->at = &en->waits;
	if (w->next)
		w->next->at = &w->next;
	en->waits = w;
	return NULL;
}

void resolver_forget(struct resolver_wait *w)
{
	if (w->at)
		unlink_wait(w);
}

/* --- life -------------------------------------------------------------------------------------------------- */

int resolver_new(struct ev_loop *loop, const struct resolver_options *o, struct resolver **out, struct err *e)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int rc = ares_library_init(ARES_LIB_INIT_ALL);

	if (!r || rc != ARES_SUCCESS) {
		free(r);
		return err_set(e, ERR_HOST, "c-ares", ENOMEM, "%s", ares_strerror(rc));
	}
	r->loop = loop;
	r->servers = o->servers ? strdup(o->servers) : NULL;
	r->try_ms = o->try_ms ? o->try_ms : RESOLVER_TRY_MS;
	r->last_queued = &r->queued;
	ev_timer_init(&r->turn, on_turn, 0, 0);
	r->turn.data = r;
	*out = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	ev_timer_stop(r->loop, &r->turn);
	for (struct channel *c = r->channels, *next; c; c = next) {
		next = c->next;
		close_channel(c);
	}
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct resolver_entry *en = r->buckets[b], *next; en; en = next) {
			next = en->next;
			free(en);
		}
	free(r->servers);
	free(r);
	ares_library_cleanup();
}
