/* handlers.h - the operations that the rows of brokered calls name. Each returns what the call returns: 0 or more, or
 * -errno, or fills the reply itself when a descriptor is given or the call goes on. */
#ifndef WARDER_HANDLERS_H
#define WARDER_HANDLERS_H

#include "state.h"

/* What a job may ask for of a mode: no set-id bits, which on a granted host directory would lend its identity to the host. */
#define MODE_GIVEN 01777

/* What the kernel asks of a call before it copies its paths (`first` of a row): 0 or -errno. */
int files_check_open(struct request *r);
int files_check_openat2(struct request *r);
int look_check_statx(struct request *r);
int look_check_access(struct request *r);
int look_check_readlink(struct request *r);
int locks_check_flock(struct request *r);
int names_check_rename(struct request *r);
int names_check_mknod(struct request *r);
int attributes_check_truncate(struct request *r);
int xattrs_check_set(struct request *r);
int xattrs_check_name(struct request *r);

/* files.c: opening */
int64_t files_open(struct request *r);
int64_t files_openat2(struct request *r);

/* look.c: looking, without opening */
int64_t look_stat(struct request *r);
int64_t look_statx(struct request *r);
int64_t look_access(struct request *r);
int64_t look_readlink(struct request *r);
int64_t look_umask(struct request *r);
/* The object of a call's first path. With AT_EMPTY_PATH and an empty path that is the descriptor itself, whatever it
 * is: *fd is then the worker's duplicate, and o->fd is -1; else *fd is -1. 0 or -errno; look_done in any case. */
struct object;
int look_find(struct request *r, struct object *o, int *fd);
void look_done(struct object *o, int fd);

/* cwd.c: the working directory */
int64_t cwd_getcwd(struct request *r);
int64_t cwd_chdir(struct request *r);
int64_t cwd_fchdir(struct request *r);

/* names.c: making and taking names */
int64_t names_mkdir(struct request *r);
int64_t names_unlink(struct request *r);
int64_t names_rename(struct request *r);
int64_t names_link(struct request *r);
int64_t names_symlink(struct request *r);
int64_t names_mknod(struct request *r);

/* attributes.c: what an object is like */
int64_t attributes_chmod(struct request *r);
int64_t attributes_fchmod(struct request *r);
int64_t attributes_chown(struct request *r);
int64_t attributes_fchown(struct request *r);
int64_t attributes_utimensat(struct request *r);
int64_t attributes_utime(struct request *r);
int64_t attributes_utimes(struct request *r);
int64_t attributes_truncate(struct request *r);
int64_t attributes_ftruncate(struct request *r);

/* xattrs.c: extended attributes, of which there are none */
int64_t xattrs_get(struct request *r);
int64_t xattrs_list(struct request *r);
int64_t xattrs_set(struct request *r);
int64_t xattrs_remove(struct request *r);

/* space.c: how full a file system is */
int64_t space_statfs(struct request *r);
int64_t space_fstatfs(struct request *r);

/* locks.c */
int64_t locks_flock(struct request *r);
int64_t locks_fcntl(struct request *r);

/* memory.c */
int64_t memory_map(struct request *r);
int64_t memory_remap(struct request *r);
int64_t memory_protect(struct request *r);

/* sockets.c, connects.c */
int64_t sockets_socket(struct request *r);
int64_t sockets_pair(struct request *r);
int64_t connects_connect(struct request *r);
int64_t sockets_bind(struct request *r);
int64_t sockets_option(struct request *r); /* setsockopt */

/* sends.c: where datagrams are granted */
int64_t sends_sendto(struct request *r);
int64_t sends_sendmsg(struct request *r);
int64_t sends_sendmmsg(struct request *r);

/* Argument `n` of the row as a number; 0 when the row has none. */
uint64_t request_arg(const struct request *r, uint8_t row_arg);
int request_dirfd(const struct request *r, int which);
/* Gives a descriptor (takes it) as the answer. */
int64_t request_give(struct request *r, int fd, bool cloexec);
/* The call is answered when `w` (takes it) is over. Returns 0. */
int64_t request_wait(struct request *r, struct broker_wait *w);
/* Lets the call go on in the kernel: only for verdicts from register values. */
int64_t request_go_on(struct request *r);
/* Remembers that a quota of the job's /tmp said no. Returns rc. */
int request_tmp_error(struct request *r, int rc);

#endif
