/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The level of the API, as seen by the compiler (macros, doca_version()) and as compiled into the
 * library that is loaded (doca_version_runtime()). This is not the version of softdpu.
 */
#ifndef DOCA_VERSION_H
#define DOCA_VERSION_H

#include <stddef.h>

#include "doca_compat.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DOCA_VERSION_MAJOR 3
#define DOCA_VERSION_MINOR 0
#define DOCA_VERSION_PATCH 58
#define DOCA_VERSION_STRING "3.0.0058"

/* Versions packed into one number that can be compared. */
#define DOCA_VERSION_CALC_EXACT(major, minor, patch) \
	(((size_t)(major) << 24) | ((size_t)(minor) << 16) | (size_t)(patch))
#define DOCA_VERSION_CALC(major, minor, patch) \
	(((size_t)(major) << 24) | ((size_t)(minor) << 16) | ((size_t)(patch) * 1000))

#define DOCA_VERSION_EXACT \
	DOCA_VERSION_CALC_EXACT(DOCA_VERSION_MAJOR, DOCA_VERSION_MINOR, DOCA_VERSION_PATCH)
#define DOCA_VERSION_OFFICIAL \
	DOCA_VERSION_CALC(DOCA_VERSION_MAJOR, DOCA_VERSION_MINOR, DOCA_VERSION_PATCH)

/* Is the version given that of these headers; is it not newer than these headers? */
#define DOCA_VERSION_EQ_CURRENT(major, minor, patch) \
	(DOCA_VERSION_CALC_EXACT(major, minor, patch) == DOCA_VERSION_EXACT)
#define DOCA_VERSION_LTE_CURRENT(major, minor, patch) \
	(DOCA_VERSION_CALC_EXACT(major, minor, patch) <= DOCA_VERSION_EXACT)

/* Version of the headers the caller was compiled with. */
static inline const char *doca_version(void)
{
	return DOCA_VERSION_STRING;
}

/* Version of the headers the loaded library was compiled with. */
DOCA_STABLE
const char *doca_version_runtime(void);

#ifdef __cplusplus
}
#endif

#endif
