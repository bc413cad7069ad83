/* SPDX-License-Identifier: BSD-3-Clause */
/* Build-time switches of the headers. */
#ifndef DOCA_CONFIG_H
#define DOCA_CONFIG_H

#include "doca_build_config.h"

/* The helpers of doca_compat.h for versioned structures are wanted. */
#ifndef DOCA_COMPAT_HELPERS
#define DOCA_COMPAT_HELPERS
#endif

#endif
