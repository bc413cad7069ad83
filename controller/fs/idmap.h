/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other user or group ids here than in the guest. Rules as virtiofsd has them, separated by commas:
 *
 *   map:GUEST:HOST:COUNT           both directions
 *   guest:GUEST:HOST:COUNT         from the guest only
 *   host:HOST:GUEST:COUNT          to the guest only
 *   squash-guest:GUEST:HOST:COUNT  many of the guest to one here
 *   squash-host:HOST:GUEST:COUNT   many here to one of the guest
 *   forbid-guest:GUEST:COUNT       EPERM to create with these ids, or to own a file
 *
 * Ids without a rule stay as they are. Const after parsing: any thread.
 */
#ifndef FS_IDMAP_H
#define FS_IDMAP_H

#include <stdint.h>

#define IDMAP_RANGES_MAX 64 /* in each direction */

struct idrange {
	uint32_t from;
	uint32_t last;
	uint32_t to;
	enum { ID_SHIFT, ID_SQUASH, ID_FORBID } how;
};

struct iddir {
	unsigned int nr;
	struct idrange range[IDMAP_RANGES_MAX];
};

struct idmap {
	struct iddir to_host, to_guest;
};

/* text: NULL is no rules. 0, or -EINVAL with *err (FS_ERR_LEN bytes) filled; option: its name. */
int idmap_parse(struct idmap *map, const char *text, const char *option, char *err);
/* 0 or -EPERM. */
int idmap_to_host(const struct idmap *map, uint32_t id, uint32_t *ret_id);
uint32_t idmap_to_guest(const struct idmap *map, uint32_t id);

static inline int idmap_is_empty(const struct idmap *map)
{
	return !map->to_host.nr && !map->to_guest.nr;
}

#endif
