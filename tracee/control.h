/* control.h - the tracee's end of the control socket (protocol/birth.h).
 *
 * Who may use it: zygote.c and confine.c. Errors: -errno.
 */
#ifndef WARDER_CONTROL_H
#define WARDER_CONTROL_H

#include "birth.h"

/* Sends one message with up to BIRTH_FDS descriptors (borrowed). Only the used part of `info` travels. */
int control_send(const struct birth_message *m, const int *fds, int n_fds);
/* Waits for one message; *fd is a descriptor that came with it, or -1. 0: end of file; 1: a message. */
int control_receive(struct birth_message *m, int *fd);

#endif
