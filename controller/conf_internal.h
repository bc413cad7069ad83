/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the readers of the configuration only. All log what they refuse. */
#ifndef CONTROLLER_CONF_INTERNAL_H
#define CONTROLLER_CONF_INTERNAL_H

#include "conf.h"

/* The devices of a JSON file, see doca_virtiofs.conf(5); what they leave out is copied from
 * *defaults. What was read of them is in conf, to be freed, also after an error. 0 or -errno. */
int conf_load_json(struct conf *conf, const char *path, const struct conf_device *defaults);

/* Sets what the object's keys say, each as in the file. 0 or -errno. */
struct json_object;
int conf_set_keys(struct conf_device *d, struct json_object *obj);

int conf_parse_cache(const char *text, enum fs_cache_mode *ret_mode);

/* A copy of *from but for the socket, which two devices cannot share. -ENOMEM: to be freed
 * nevertheless. */
int conf_copy_device(struct conf_device *d, const struct conf_device *from);
void conf_free_device(struct conf_device *d);

/* Replaces *dst by a copy of text; NULL stays NULL. 0 or -ENOMEM. */
int conf_set_text(const char **dst, const char *text);

#endif
