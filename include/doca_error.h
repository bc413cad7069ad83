/* SPDX-License-Identifier: BSD-3-Clause */
/* The status every call returns. The numbers are ABI and never change; 0 is success. */
#ifndef DOCA_ERROR_H
#define DOCA_ERROR_H

#include "doca_common_defines.h"
#include "doca_compat.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Each code says what its name says; where a call gives one a special meaning, its header tells.
 * DOCA_ERROR_IN_PROGRESS of start and stop calls is no failure.
 */
enum doca_error {
	DOCA_SUCCESS = 0,
	DOCA_ERROR_UNKNOWN = 1,
	DOCA_ERROR_NOT_PERMITTED = 2,	/* forbidden for this object, whatever its state */
	DOCA_ERROR_IN_USE = 3,		/* something else still depends on it */
	DOCA_ERROR_NOT_SUPPORTED = 4,
	DOCA_ERROR_AGAIN = 5,		/* no room now, try later */
	DOCA_ERROR_INVALID_VALUE = 6,	/* a bad argument */
	DOCA_ERROR_NO_MEMORY = 7,	/* or a pool is exhausted */
	DOCA_ERROR_INITIALIZATION = 8,	/* configuration incomplete or inconsistent */
	DOCA_ERROR_TIME_OUT = 9,
	DOCA_ERROR_SHUTDOWN = 10,
	DOCA_ERROR_CONNECTION_RESET = 11,
	DOCA_ERROR_CONNECTION_ABORTED = 12,
	DOCA_ERROR_CONNECTION_INPROGRESS = 13,
	DOCA_ERROR_NOT_CONNECTED = 14,
	DOCA_ERROR_NO_LOCK = 15,
	DOCA_ERROR_NOT_FOUND = 16,
	DOCA_ERROR_IO_FAILED = 17,
	DOCA_ERROR_BAD_STATE = 18,	/* possible in another state of the object */
	DOCA_ERROR_UNSUPPORTED_VERSION = 19,
	DOCA_ERROR_OPERATING_SYSTEM = 20,
	DOCA_ERROR_DRIVER = 21,
	DOCA_ERROR_UNEXPECTED = 22,
	DOCA_ERROR_ALREADY_EXIST = 23,
	DOCA_ERROR_FULL = 24,		/* all places taken */
	DOCA_ERROR_EMPTY = 25,		/* nothing left to hand out */
	DOCA_ERROR_IN_PROGRESS = 26,
	DOCA_ERROR_TOO_BIG = 27,
	DOCA_ERROR_AUTHENTICATION = 28,
	DOCA_ERROR_BAD_CONFIG = 29,
	DOCA_ERROR_SKIPPED = 30,
};

typedef enum doca_error doca_error_t;

/* True for anything but success; a branch on it is taken to be rare. */
#define DOCA_IS_ERROR(r) doca_unlikely((r) != DOCA_SUCCESS)

/* Keeps the first error: t is looked at, and r takes its value, only while r is success. */
#define DOCA_ERROR_PROPAGATE(r, t) \
	do { \
		if ((r) == DOCA_SUCCESS) \
			(r) = (t); \
	} while (0)

/*
 * The name of a code as the enumerator is spelled, and a sentence about it. Constant strings, never
 * NULL: numbers that are no code get a text of their own.
 */
DOCA_STABLE const char *doca_error_get_name(doca_error_t error);
DOCA_STABLE const char *doca_error_get_descr(doca_error_t error);

#ifdef __cplusplus
}
#endif

#endif
