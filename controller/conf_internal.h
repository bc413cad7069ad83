/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the readers of the configuration only. Both log what they refuse. */
#ifndef CONTROLLER_CONF_INTERNAL_H
#define CONTROLLER_CONF_INTERNAL_H

#include "conf.h"

int conf_parse_cache(const char *text, enum fs_cache_mode *ret_mode);
int conf_check_device(const struct conf_device *d);

#endif
