/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attributes of public declarations, and helpers for structures that carry the version of the
 * headers they were compiled with. Programs rely on the standard headers included here.
 */
#ifndef DOCA_COMPAT_H
#define DOCA_COMPAT_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "doca_config.h"

#define DOCA_USED __attribute__((used))

/* Exported, and meant to stay. */
#define DOCA_STABLE __attribute__((visibility("default"), used))

/* Exported, may still change: a warning unless the program says that it knows. */
#ifdef DOCA_ALLOW_EXPERIMENTAL_API
#define DOCA_EXPERIMENTAL DOCA_STABLE
#else
#define DOCA_EXPERIMENTAL \
	DOCA_STABLE __attribute__((deprecated("experimental: may change or go away")))
#endif

/* Exported, on its way out: a warning unless the program says that it knows. */
#ifdef DOCA_ALLOW_DEPRECATED_API
#define DOCA_DEPRECATED DOCA_STABLE
#else
#define DOCA_DEPRECATED DOCA_STABLE __attribute__((deprecated("will go away")))
#endif

#ifdef DOCA_COMPAT_HELPERS

#include "doca_version.h"

/* First member of a versioned structure. */
#define DOCA_STRUCT_START size_t __doca_api_version

#define DOCA_STRUCT_GET_VERSION(_p) ((_p)->__doca_api_version)

/* Stamp a structure, by name or through a pointer; the MEMSET forms zero the rest first. */
#define DOCA_STRUCT_CTOR(_obj) ((_obj).__doca_api_version = DOCA_VERSION_EXACT)
#define DOCA_STRUCT_PTR_CTOR(_p) ((_p)->__doca_api_version = DOCA_VERSION_EXACT)

#define DOCA_STRUCT_MEMSET_CTOR(_obj) \
	do { \
		memset(&(_obj), 0, sizeof(_obj)); \
		DOCA_STRUCT_CTOR(_obj); \
	} while (0)

#define DOCA_STRUCT_PTR_MEMSET_CTOR(_p) \
	do { \
		memset((_p), 0, sizeof(*(_p))); \
		DOCA_STRUCT_PTR_CTOR(_p); \
	} while (0)

/* The stamp as part of an initialiser list, and a stamped variable. */
#define DOCA_STRUCT_CTOR_LIST_START .__doca_api_version = DOCA_VERSION_EXACT
#define DOCA_STRUCT_DEF(_struct_tag, _variable) \
	struct _struct_tag _variable = {DOCA_STRUCT_CTOR_LIST_START}

#endif

#endif
