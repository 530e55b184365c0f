/* version.h - the one place that says which Warder this is. */
#ifndef WARDER_VERSION_H
#define WARDER_VERSION_H

#include "without.h"

#define WARDER_VERSION "0.1.0" WITHOUT_VERSION

#endif
