/* prompt.h - short turns on the CPU for processes that others wait for.
 *
 * Who may call it: the keeper, for front and workers, before they start. What they fork has ordinary turns again.
 */
#ifndef WARDER_PROMPT_H
#define WARDER_PROMPT_H

/* From Linux 6.12 on who asks for shorter turns than the one that runs is let in at once; before, nothing changes. Needs no power. */
void prompt_begin(void);

#endif
