/* log.h - one line a happening, on stderr, in logfmt: level=warn event=zygote_died pid=12
 * or, after log_set_json, as one JSON object of strings: {"level":"warn","event":"zygote_died","pid":"12"}
 *
 * Who may use it: main and event callbacks of the supervisor's parts (library functions return errors, they do not
 * log). Each line is one write(2), so lines of several processes do not mix. Control characters and line breaks of
 * whatever is printed leave as \xNN: a job or a client cannot forge a line or steer a terminal.
 * A value that somebody else chose goes through log_value, else it could forge a key.
 */
#ifndef WARDER_LOG_H
#define WARDER_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX 2048 /* bytes; longer lines are cut and end in "..." */

/* What is printed: this level and those before it. LOG_INFO until it is called. */
void log_set_level(enum log_level level);
void log_set_json(bool on);
/* "warn" → LOG_WARN; -1 for an unknown word. */
int log_level_parse(const char *word);

/* `fmt` gives the pairs: log_write(LOG_WARN, "zygote_died", "pid=%d status=%d", pid, status). NULL: none.
 * errno is left as it was. */
void log_write(enum log_level level, const char *event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* `s` as one logfmt value: in double quotes when it has spaces, quotes or an equals sign. NULL gives "".
 * Returns buf. */
char *log_value(char *buf, size_t size, const char *s);

#endif
