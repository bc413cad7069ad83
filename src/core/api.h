/* SPDX-License-Identifier: BSD-3-Clause */
/* Shapes that many public functions share. */
#ifndef CORE_API_H
#define CORE_API_H

#include "doca_error.h"

/*
 * A public getter: the value of an object into the caller's variable. `value` is an expression of
 * o. INVALID_VALUE: one of the two is NULL.
 */
#define API_GETTER(fn, object, rettype, value)                                                     \
	doca_error_t fn(object *o, rettype *ret)                                                   \
	{                                                                                          \
		if (!o || !ret)                                                                    \
			return DOCA_ERROR_INVALID_VALUE;                                           \
		*ret = (value);                                                                    \
		return DOCA_SUCCESS;                                                               \
	}

#endif
