/* places.h - where policies are when nobody says. Who may use it: programs, at their start. */
#ifndef WARDER_PLACES_H
#define WARDER_PLACES_H

/* Directories that exist, the first wins, NULL-terminated, static: `policies` beside the program's own directory (a build tree) and nothing else; or
 * /etc/warder/policies, for the site's own, before the installed ones: ../share/warder/policies from the program, else /usr/share/warder/policies. */
const char *const *policy_places(void);

#endif
