/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GETXATTR, SETXATTR, REMOVEXATTR, LISTXATTR: the two attributes that hold POSIX ACLs, over NFSACL. NFSv3 has
 * no others. Where the server does not know NFSACL either the answer is ENOSYS, and the guest stops asking.
 *
 * Theory of operation: a server sets both lists of an ACL or none, so a change reads both, replaces one and
 * writes both. On the wire a list always has a mask, as Solaris wants it; one that only repeats the mode bits
 * is no ACL to a guest. The server checks who may what, also with ACLs. A guest's kernel checks before, by mode
 * bits, or with FUSE_POSIX_ACL by ACLs that it asks for; that costs calls, so it is offered on demand ("acl").
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nfs.h"

#define XATTR_ACCESS "system.posix_acl_access"
#define XATTR_DEFAULT "system.posix_acl_default"
#define XATTR_VERSION 2u
#define ACL_ALL (NFS_ACL_ACCESS | NFS_ACL_ACCESS_CNT | NFS_ACL_DEFAULT | NFS_ACL_DEFAULT_CNT)

/* The value of such an attribute, little endian. */
struct xattr_entry {
	uint16_t tag, perm;
	uint32_t id;
};
#define XATTR_HEAD sizeof(uint32_t)
#define XATTR_MAX (XATTR_HEAD + NFS_ACL_MAX * sizeof(struct xattr_entry))

struct nfs_acl_list {
	uint32_t nr;
	struct nfs_ace ace[NFS_ACL_MAX];
};

/* A change under way. */
struct nfs_acl_work {
	struct nfs_acl acl;
	struct nfs_acl_list list[2]; /* access, default */
};

static bool list_of_name(const char *name, unsigned int *ret_which)
{
	*ret_which = !strcmp(name, XATTR_DEFAULT);
	return *ret_which || !strcmp(name, XATTR_ACCESS);
}

/* ENOSYS: never again; EOPNOTSUPP: not this one. 0: it is about an ACL. */
static int check_name(const struct fs_req *req, unsigned int *ret_which)
{
	if (__atomic_load_n(&nfs_of(req)->no_acl, __ATOMIC_RELAXED))
		return -ENOSYS;
	return list_of_name(req->name[0], ret_which) ? 0 : -EOPNOTSUPP;
}

static int server_error(struct nreq *n, int err)
{
	if (err != -EOPNOTSUPP)
		return err;
	__atomic_store_n(&nfs_of(n->req)->no_acl, true, __ATOMIC_RELAXED);
	return -ENOSYS;
}

/* ---- lists ---- */

static bool is_named(const struct nfs_ace *ace)
{
	return ace->tag == NFS_ACE_USER || ace->tag == NFS_ACE_GROUP;
}

/* Copies without the mask that is only there for the wire; 0 entries: nothing but mode bits. */
static void tidy(const struct nfs_ace *ace, uint32_t nr, struct nfs_acl_list *to, bool dflt)
{
	bool named = false;

	to->nr = 0;
	for (uint32_t i = 0; i < nr; i++)
		named |= is_named(&ace[i]);
	for (uint32_t i = 0; i < nr; i++)
		if (named || ace[i].tag != NFS_ACE_MASK)
			to->ace[to->nr++] = ace[i];
	if (!dflt && to->nr <= 3)
		to->nr = 0;
}

/* What mode bits say, for a file without an ACL. */
static void from_mode(struct nfs_acl_list *to, uint32_t mode)
{
	to->nr = 3;
	to->ace[0] = (struct nfs_ace){ NFS_ACE_USER_OBJ, 0, mode >> 6 & 7 };
	to->ace[1] = (struct nfs_ace){ NFS_ACE_GROUP_OBJ, 0, mode >> 3 & 7 };
	to->ace[2] = (struct nfs_ace){ NFS_ACE_OTHER, 0, mode & 7 };
}

/* For the wire: the ids of owner and group, and a mask where there is none. */
static void for_wire(struct nfs_acl_list *list, const struct nfs_attr *attr)
{
	uint32_t group = 0;
	bool mask = false;

	for (uint32_t i = 0; i < list->nr; i++) {
		struct nfs_ace *e = &list->ace[i];

		mask |= e->tag == NFS_ACE_MASK;
		if (e->tag == NFS_ACE_USER_OBJ)
			e->id = attr->uid;
		if (e->tag == NFS_ACE_GROUP_OBJ) {
			e->id = attr->gid;
			group = e->perm;
		}
	}
	if (!mask && list->nr && list->nr < NFS_ACL_MAX)
		list->ace[list->nr++] = (struct nfs_ace){ NFS_ACE_MASK, 0, group };
}

/* One of each that must be there, known tags, permissions that exist. */
static bool is_valid(const struct nfs_acl_list *list)
{
	const uint32_t must = NFS_ACE_USER_OBJ | NFS_ACE_GROUP_OBJ | NFS_ACE_OTHER;
	const uint32_t once = must | NFS_ACE_MASK, known = once | NFS_ACE_USER | NFS_ACE_GROUP;
	uint32_t seen = 0;

	for (uint32_t i = 0; i < list->nr; i++) {
		uint32_t tag = list->ace[i].tag;

		if (!is_pow2(tag) || (tag & ~known) || (tag & once & seen) || list->ace[i].perm > 7)
			return false;
		seen |= tag;
	}
	if ((seen & (NFS_ACE_USER | NFS_ACE_GROUP)) && !(seen & NFS_ACE_MASK))
		return false;
	return (seen & must) == must;
}

/* Whose ids a named entry has. */
static const struct idmap *map_of(const struct nfs_fs *nfs, const struct nfs_ace *ace)
{
	return ace->tag == NFS_ACE_USER ? &nfs->uids : &nfs->gids;
}

/* From the guest's ids to the server's. 0 or -EPERM. */
static int map_list(const struct nfs_fs *nfs, struct nfs_acl_list *list)
{
	int rc = 0;

	for (uint32_t i = 0; i < list->nr && !rc; i++) {
		struct nfs_ace *ace = &list->ace[i];

		if (is_named(ace))
			rc = idmap_to_host(map_of(nfs, ace), ace->id, &ace->id);
	}
	return rc;
}

/* The value the guest sets. */
static int get_value(const struct fs_req *req, struct nfs_acl_list *list)
{
	size_t len = min((size_t)req->setxattr->size, req->data_len), off = XATTR_HEAD;
	struct xattr_entry e;
	uint32_t version;

	if (len < XATTR_HEAD || len > XATTR_MAX || (len - XATTR_HEAD) % sizeof(e))
		return -EINVAL;
	fs_req_get(req, 0, &version, sizeof(version));
	if (le32toh(version) != XATTR_VERSION)
		return -EOPNOTSUPP;
	for (list->nr = 0; off < len; off += sizeof(e)) {
		fs_req_get(req, off, &e, sizeof(e));
		list->ace[list->nr++] = (struct nfs_ace){ le16toh(e.tag), le32toh(e.id),
							  le16toh(e.perm) };
	}
	return is_valid(list) ? map_list(nfs_of(req), list) : -EINVAL;
}

/* ---- GETXATTR, LISTXATTR ---- */

/* A value or, asked for with size 0, only its length. */
static int put_value(struct fs_req *req, const void *value, size_t len)
{
	if (!req->getxattr->size) {
		req->xattr_size->size = (uint32_t)len;
		return 0;
	}
	if (len > req->getxattr->size || fs_req_put(req, value, len) != len)
		return -ERANGE;
	return 0;
}

static int put_list(struct fs_req *req, const struct nfs_acl_list *list)
{
	size_t len = XATTR_HEAD + list->nr * sizeof(struct xattr_entry);
	uint32_t version = htole32(XATTR_VERSION);

	if (!list->nr)
		return -ENODATA;
	if (!req->getxattr->size || len > req->getxattr->size)
		return put_value(req, NULL, len);
	fs_req_put(req, &version, sizeof(version));
	for (uint32_t i = 0; i < list->nr; i++) {
		const struct nfs_ace *a = &list->ace[i];
		/* Only named ones have an id in it. */
		uint32_t id = is_named(a) ? idmap_to_guest(map_of(nfs_of(req), a), a->id) : UINT32_MAX;
		const struct xattr_entry e = { htole16((uint16_t)a->tag), htole16((uint16_t)a->perm),
					       htole32(id) };

		if (fs_req_put(req, &e, sizeof(e)) != sizeof(e))
			return -ERANGE;
	}
	return 0;
}

static void list_got(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	struct nfs_acl_list list;
	unsigned int which;

	if (err) {
		nfs_done(n, server_error(n, err));
		return;
	}
	list_of_name(n->req->name[0], &which);
	if (which)
		tidy(res->acl.dflt, res->acl.nr_default, &list, true);
	else
		tidy(res->acl.access, res->acl.nr_access, &list, false);
	nfs_done(n, put_list(n->req, &list));
}

static void ask_acl(struct nreq *n, void (*done)(struct nfs_call *, int, const struct nfs_result *))
{
	nfs_prepare(n, NFSACL_GETACL);
	n->call.acl_mask = ACL_ALL;
	nfs_go(n, done);
}

void nfs_getxattr(struct fs_req *req)
{
	unsigned int which;
	int rc = check_name(req, &which);
	struct nreq *n;

	if (rc) {
		fs_req_done(req, rc);
		return;
	}
	n = nfs_begin(req);
	if (n)
		ask_acl(n, list_got);
}

static void names_got(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);
	char names[sizeof(XATTR_ACCESS) + sizeof(XATTR_DEFAULT)];
	struct nfs_acl_list list;
	size_t len = 0;

	if (err) {
		nfs_done(n, server_error(n, err));
		return;
	}
	tidy(res->acl.access, res->acl.nr_access, &list, false);
	if (list.nr) {
		memcpy(names, XATTR_ACCESS, sizeof(XATTR_ACCESS));
		len = sizeof(XATTR_ACCESS);
	}
	if (res->acl.nr_default) {
		memcpy(names + len, XATTR_DEFAULT, sizeof(XATTR_DEFAULT));
		len += sizeof(XATTR_DEFAULT);
	}
	nfs_done(n, put_value(n->req, names, len));
}

void nfs_listxattr(struct fs_req *req)
{
	struct nreq *n;

	if (__atomic_load_n(&nfs_of(req)->no_acl, __ATOMIC_RELAXED)) {
		fs_req_done(req, -ENOSYS);
		return;
	}
	n = nfs_begin(req);
	if (n)
		ask_acl(n, names_got);
}

/* ---- SETXATTR, REMOVEXATTR ---- */

static void acl_set(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	free(n->acl);
	nfs_done(n, err ? server_error(n, err) : 0);
}

/* XATTR_CREATE, XATTR_REPLACE of the guest, and removing what is not there. */
static int check_flags(const struct fs_req *req, bool there)
{
	if (req->in->opcode == FUSE_REMOVEXATTR)
		return there ? 0 : -ENODATA;
	if ((req->setxattr->flags & 1) && there)
		return -EEXIST;
	return (req->setxattr->flags & 2) && !there ? -ENODATA : 0;
}

/* Both lists as they are, then the one that changes. */
static int make_change(struct nreq *n, const struct nfs_result *res)
{
	struct nfs_acl_work *w = n->acl;
	struct nfs_acl_list *access = &w->list[0], *dflt = &w->list[1];
	unsigned int which;
	int rc;

	if (!res->has_attr)
		return -EIO;
	list_of_name(n->req->name[0], &which);
	tidy(res->acl.access, res->acl.nr_access, access, false);
	tidy(res->acl.dflt, res->acl.nr_default, dflt, true);
	rc = check_flags(n->req, w->list[which].nr);
	w->list[which].nr = 0;
	if (!rc && n->req->in->opcode == FUSE_SETXATTR)
		rc = get_value(n->req, &w->list[which]);
	if (!rc && which && dflt->nr && !S_ISDIR(res->attr.mode))
		rc = -EACCES; /* as Linux says it */
	if (!access->nr)
		from_mode(access, res->attr.mode);
	for_wire(access, &res->attr);
	for_wire(dflt, &res->attr);
	w->acl = (struct nfs_acl){ access->nr, dflt->nr, access->ace, dflt->ace };
	return rc;
}

static void lists_got(struct nfs_call *call, int err, const struct nfs_result *res)
{
	struct nreq *n = nreq_of(call);

	err = err ? server_error(n, err) : make_change(n, res);
	if (err) {
		free(n->acl);
		nfs_done(n, err);
		return;
	}
	nfs_prepare(n, NFSACL_SETACL);
	n->call.acl_mask = ACL_ALL;
	n->call.acl = &n->acl->acl;
	nfs_go(n, acl_set);
}

static void change_acl(struct fs_req *req)
{
	unsigned int which;
	int rc = check_name(req, &which);
	struct nreq *n;

	if (rc) {
		fs_req_done(req, rc);
		return;
	}
	n = nfs_begin(req);
	if (!n)
		return;
	n->acl = calloc(1, sizeof(*n->acl));
	if (n->acl)
		ask_acl(n, lists_got);
	else
		nfs_done(n, -ENOMEM);
}

void nfs_setxattr(struct fs_req *req)
{
	change_acl(req);
}

void nfs_removexattr(struct fs_req *req)
{
	change_acl(req);
}
