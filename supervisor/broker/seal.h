/* seal.h - files in memory that nobody can change any more.
 *
 * Who may use it: all. No state.
 */
#ifndef WARDER_SEAL_H
#define WARDER_SEAL_H

/* F_ADD_SEALS, fcntl(2), of a memfd that is nowhere mapped for writing: 0 or -errno. May take 0.2 s where the kernel holds on to its pages. */
int seal(int fd, int seals);

#endif
