/* pages.h - a zygote's memory in few large pages, so that a fork has less to copy and its end less to free.
 *
 * For speed alone: what the kernel does not give is left as it was. Called by the core when the interpreter is warm, before it is confined.
 */
#ifndef WARDER_PAGES_H
#define WARDER_PAGES_H

/* Each aligned 2 MiB of private memory that is mostly in use becomes one page (MADV_COLLAPSE, from Linux 6.1 on). A child that writes
 * there still gets a copy of 4 KiB and no more. */
void pages_gather(void);

/* Takes all free chunks of malloc for good, so that what a child allocates lies together. Called before the first birth: until then the
 * interpreter frees. */
void pages_use_up_holes(void);

#endif
