/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mounting: the one time the controller blocks on a server. Resolves the name and, for each of its
 * addresses until one answers, asks MOUNT v3 for the root handle, then GETATTR, FSINFO and
 * PATHCONF. One deadline bounds it all.
 */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "nfs_errno.h"
#include "rpc.h"

#define MOUNT_LIMIT_NS 10000000000ull
#define UMOUNT_LIMIT_NS 1000000000ull
#define MOUNT_PROGRAM 100005
#define NFS_PROGRAM 100003
#define AUTH_NONE 0
#define AUTH_SYS 1
#define FLAVORS_MAX 64
#define PATH_BYTES 1024 /* MNTPATHLEN */
#define EXPORTS_LEN 200 /* of their list in a message */

enum { MOUNTPROC_MNT = 1, MOUNTPROC_UMNT = 3, MOUNTPROC_EXPORT = 5 };

static const struct nfs3_number mnt_call = { MOUNT_PROGRAM, 3, MOUNTPROC_MNT };
static const struct nfs3_number umnt_call = { MOUNT_PROGRAM, 3, MOUNTPROC_UMNT };
static const struct nfs3_number export_call = { MOUNT_PROGRAM, 3, MOUNTPROC_EXPORT };

struct mounting {
	struct nfs_mount *mnt;
	uint64_t until;
	char *err;
	size_t len;
	struct nfs_cred cred; /* the controller's own */
	struct sockaddr_storage addr; /* the one being tried; no port */
	struct rpc_sync rpc;
	struct nfs3_scratch scratch;
};

static const char *why(int rc)
{
	switch (rc) {
	case -ETIMEDOUT:
		return "timeout";
	case -EPROTONOSUPPORT:
		return "version 3 is not offered";
	case -EBADMSG:
		return "its answer cannot be read";
	default:
		return strerror(-rc);
	}
}

/* Connects to a program; a port of 0 is asked for. */
static int open_program(struct mounting *m, uint32_t prog, uint16_t *port)
{
	struct sockaddr_storage addr = m->addr;
	int rc = 0;

	if (*port)
		rpc_addr_set_port(&addr, *port);
	else
		rc = rpc_sync_port(&addr, prog, 3, m->until);
	if (rc)
		return rc;
	*port = rpc_addr_port(&addr);
	return rpc_sync_open(&m->rpc, &addr, !m->mnt->opts.noresvport, m->until);
}

/* ---- MOUNT ---- */

/* The names a server exports, for the operator who asked for another. */
static void list_exports(struct mounting *m, char *text, size_t size)
{
	struct xdr_out a = rpc_sync_begin(&m->rpc, export_call, &m->cred);
	struct xdr_in x;
	size_t used = 0;

	text[0] = '\0';
	if (rpc_sync_end(&m->rpc, &a, &x))
		return;
	while (xdr_get32(&x)) {
		uint32_t len, group;
		const uint8_t *p = xdr_get_opaque(&x, PATH_BYTES, &len);

		while (xdr_get32(&x))
			xdr_get_opaque(&x, 255, &group);
		if (!p || x.bad || used + len + 2 > size)
			return;
		/* Their bytes end up in a log. */
		text[used++] = ' ';
		for (uint32_t i = 0; i < len; i++)
			text[used++] = p[i] > ' ' && p[i] < 127 ? (char)p[i] : '?';
		text[used] = '\0';
	}
}

static bool flavor_ok(struct xdr_in *x)
{
	uint32_t nr = xdr_get32(x);
	bool ok = !nr;

	if (nr > FLAVORS_MAX)
		return false;
	while (nr--) {
		uint32_t flavor = xdr_get32(x);

		ok |= flavor == AUTH_SYS || flavor == AUTH_NONE;
	}
	return ok;
}

static int call_mnt(struct mounting *m)
{
	struct xdr_out a = rpc_sync_begin(&m->rpc, mnt_call, &m->cred);
	struct nfs_fh *root = &m->mnt->root;
	struct xdr_in x;
	const uint8_t *p;
	uint32_t status;
	int rc;

	xdr_put_string(&a, m->mnt->opts.export_path);
	rc = rpc_sync_end(&m->rpc, &a, &x);
	if (rc)
		return rc;
	status = xdr_get32(&x);
	if (status)
		return nfs_errno(status);
	p = xdr_get_opaque(&x, NFS_FH_MAX, &root->len);
	if (!p || !root->len)
		return -EBADMSG;
	memcpy(root->data, p, root->len);
	if (!flavor_ok(&x) && !x.bad)
		return -EPROTO;
	return x.bad ? -EBADMSG : 0;
}

static void say_refused(struct mounting *m, int rc)
{
	const struct nfs_mount_opts *o = &m->mnt->opts;
	char list[EXPORTS_LEN];

	if (rc == -EPROTO) {
		snprintf(m->err, m->len,
			 "NFS server %s allows %s with other security flavors than sys only", o->server,
			 o->export_path);
		return;
	}
	list_exports(m, list, sizeof(list));
	snprintf(m->err, m->len,
		 "NFS server %s refuses to mount %s (%s): check its exports and who may mount them%s%s",
		 o->server, o->export_path, why(rc), list[0] ? "; it exports" : "", list);
}

static int ask_mount(struct mounting *m)
{
	const struct nfs_mount_opts *o = &m->mnt->opts;
	uint16_t port = o->mount_port;
	int rc = open_program(m, MOUNT_PROGRAM, &port);

	if (rc) {
		snprintf(m->err, m->len,
			 "NFS server %s does not answer on its mount port (%s): is it running, and is mountport=%u right?",
			 o->server, why(rc), o->mount_port);
		return -EHOSTUNREACH;
	}
	rc = call_mnt(m);
	if (rc)
		say_refused(m, rc);
	rpc_sync_close(&m->rpc);
	return rc;
}

void nfsc_umount(const struct nfs_mount *mnt)
{
	struct mounting *m = calloc(1, sizeof(*m));
	uint16_t port = mnt->opts.mount_port;
	struct rpc_addrs addrs;
	struct xdr_out a;
	struct xdr_in x;

	if (!m || rpc_sync_addrs(mnt->address, AF_UNSPEC, &addrs)) {
		free(m);
		return;
	}
	m->mnt = (struct nfs_mount *)mnt; /* its options are read */
	m->until = clock_ns() + UMOUNT_LIMIT_NS;
	m->cred = (struct nfs_cred){ .uid = geteuid(), .gid = getegid() };
	m->addr = addrs.addr[0];
	if (!open_program(m, MOUNT_PROGRAM, &port)) {
		a = rpc_sync_begin(&m->rpc, umnt_call, &m->cred);
		xdr_put_string(&a, mnt->opts.export_path);
		rpc_sync_end(&m->rpc, &a, &x);
		rpc_sync_close(&m->rpc);
	}
	free(m);
}

/* ---- NFS ---- */

static int ask(struct mounting *m, enum nfs_proc proc, struct nfs_result *res)
{
	struct nfs_call call = { .proc = proc, .fh = &m->mnt->root };
	struct xdr_out a = rpc_sync_begin(&m->rpc, nfs3_number(proc), &m->cred);
	struct xdr_in x;
	int rc;

	nfs3_put_args(&a, &call);
	rc = rpc_sync_end(&m->rpc, &a, &x);
	return rc ? rc : nfs3_get_result(&x, &call, &m->scratch, res);
}

static uint32_t limit_io(uint32_t server, uint32_t wanted)
{
	/* 1 MiB: what the guest sends at most. A server that names no limit gets a safe one. */
	uint32_t most = server ? min(server, 1u << 20) : 32768;

	return wanted ? min(wanted, most) : most;
}

static void keep_fsinfo(struct nfs_mount *mnt, const struct nfs_result *res)
{
	mnt->rtmax = limit_io(res->rtmax, mnt->opts.rsize);
	mnt->wtmax = limit_io(res->wtmax, mnt->opts.wsize);
	mnt->dtpref = res->dtpref ? min(res->dtpref, 1u << 20) : 32768;
	mnt->max_file_size = res->max_file_size;
	mnt->time_delta = res->time_delta;
	mnt->properties = res->properties;
}

/* Servers may not know: then nothing is promised, and the guest's own limit counts. */
static void keep_pathconf(struct nfs_mount *mnt, const struct nfs_result *res, int rc)
{
	mnt->name_max = rc || !res->name_max ? NAME_MAX : min(res->name_max, (uint32_t)NAME_MAX);
	if (rc)
		return;
	mnt->link_max = res->link_max;
	mnt->no_trunc = res->no_trunc;
	mnt->chown_restricted = res->chown_restricted;
	mnt->case_insensitive = res->case_insensitive;
	mnt->case_preserving = res->case_preserving;
}

static int ask_fs(struct mounting *m)
{
	struct nfs_mount *mnt = m->mnt;
	struct nfs_result res;
	int rc = ask(m, NFS_GETATTR, &res);

	if (rc)
		return rc;
	if (!S_ISDIR(res.attr.mode))
		return -ENOTDIR;
	mnt->root_attr = res.attr;
	rc = ask(m, NFS_FSINFO, &res);
	if (rc)
		return rc;
	keep_fsinfo(mnt, &res);
	rc = ask(m, NFS_PATHCONF, &res);
	keep_pathconf(mnt, &res, rc);
	return 0;
}

static int ask_nfs(struct mounting *m)
{
	struct nfs_mount *mnt = m->mnt;
	int rc = open_program(m, NFS_PROGRAM, &mnt->nfs_port);

	if (rc) {
		snprintf(m->err, m->len, "NFS server %s does not answer NFSv3 on port %u (%s)",
			 mnt->opts.server, mnt->nfs_port, why(rc));
		return -EHOSTUNREACH;
	}
	rc = ask_fs(m);
	if (rc)
		snprintf(m->err, m->len, "NFS server %s does not let us use %s: %s",
			 mnt->opts.server, mnt->opts.export_path, why(rc));
	rpc_sync_close(&m->rpc);
	return rc;
}

static int ask_port(struct mounting *m)
{
	struct sockaddr_storage addr = m->addr;

	if (m->mnt->nfs_port)
		return 0;
	if (!rpc_sync_port(&addr, NFS_PROGRAM, 3, m->until)) {
		m->mnt->nfs_port = rpc_addr_port(&addr);
		return 0;
	}
	snprintf(m->err, m->len,
		 "NFS server %s: its port mapper does not tell the port of NFSv3: start the server, or name the ports with -o nfsport=,mountport=",
		 m->mnt->opts.server);
	return -EHOSTUNREACH;
}

/* -EHOSTUNREACH: nobody there; another address of the same name may do. */
static int mount_at(struct mounting *m)
{
	struct nfs_mount *mnt = m->mnt;
	int rc;

	if (getnameinfo((struct sockaddr *)&m->addr, rpc_addr_len(&m->addr), mnt->address,
			sizeof(mnt->address), NULL, 0, NI_NUMERICHOST))
		return -EHOSTUNREACH;
	mnt->nfs_port = mnt->opts.nfs_port;
	rc = ask_port(m);
	if (!rc)
		rc = ask_mount(m);
	return rc ? rc : ask_nfs(m);
}

int nfsc_mount(const struct nfs_mount_opts *opts, struct nfs_mount *mnt, char *err, size_t len)
{
	struct mounting *m = calloc(1, sizeof(*m));
	struct rpc_addrs addrs;
	int rc;

	memset(mnt, 0, sizeof(*mnt));
	mnt->opts = *opts;
	err[0] = '\0';
	if (!m)
		return -ENOMEM;
	m->mnt = mnt;
	m->err = err;
	m->len = len;
	m->cred = (struct nfs_cred){ .uid = geteuid(), .gid = getegid() };
	rc = rpc_sync_addrs(opts->server, opts->family, &addrs);
	if (rc)
		snprintf(err, len, "NFS server '%s' cannot be found: %s", opts->server,
			 gai_strerror(rc));
	rc = -EHOSTUNREACH;
	m->until = clock_ns() + MOUNT_LIMIT_NS;
	for (unsigned int i = 0; i < addrs.nr && rc == -EHOSTUNREACH; i++) {
		m->addr = addrs.addr[i];
		rc = mount_at(m);
	}
	free(m);
	return rc;
}
