/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other names of extended attributes here than in the guest. Rules as virtiofsd has them, the first
 * that matches counts:
 *
 *   :TYPE:SCOPE:KEY:PREPEND:   with any separator that is not white space
 *   :map:KEY:PREPEND:          the usual set of them, as the last rule
 *
 * SCOPE client looks at names from the guest that begin with KEY, server at names of the host that
 * begin with PREPEND, all at both. TYPE ok lets them pass, prefix puts PREPEND before the guest's and
 * takes it from the host's, bad and unsupported refuse (EPERM, EOPNOTSUPP) or hide them. A name
 * without a rule is bad. Const after parsing: any thread.
 */
#ifndef FS_LOCAL_XATTRMAP_H
#define FS_LOCAL_XATTRMAP_H

#include <limits.h>

#define XATTRMAP_RULES_MAX 64
#define XATTRMAP_NAME (XATTR_NAME_MAX + 1)

struct xattrrule {
	enum { XR_PREFIX, XR_OK, XR_BAD, XR_UNSUPPORTED } type;
	enum { XR_CLIENT = 1, XR_SERVER = 2, XR_ALL = 3 } scope;
	const char *key, *prepend;
};

struct xattrmap {
	unsigned int nr; /* 0: names stay as they are */
	char *text; /* what the rules point into */
	struct xattrrule rule[XATTRMAP_RULES_MAX];
};

/* text: NULL is no rules. 0, -ENOMEM, or -EINVAL with *err (FS_ERR_LEN bytes) filled. */
int xattrmap_parse(struct xattrmap *map, const char *text, char *err);
void xattrmap_fini(struct xattrmap *map);
/* The host's name for the guest's, perhaps in buf. 0, -EPERM, -EOPNOTSUPP, -ERANGE (too long). */
int xattrmap_to_host(const struct xattrmap *map, const char *name, char buf[XATTRMAP_NAME],
		     const char **ret_name);
/* The guest's name for the host's, within it; NULL: hidden. */
const char *xattrmap_to_guest(const struct xattrmap *map, const char *name);

#endif
