/* streams.h - the standard streams of a program that opens sockets and files. Who may use it: main functions, first. */
#ifndef WARDER_STREAMS_H
#define WARDER_STREAMS_H

/* A closed standard stream would be the next socket's number, and what is printed would go there: all three are open from here on. */
void streams_fill(void);

#endif
