/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mounting: the one time the controller blocks on a server. Resolves the name and, for each of its addresses
 * until one answers, asks MOUNT v3 for the root handle, then GETATTR, FSINFO and PATHCONF. Every step is an
 * asynchronous call of libnfs, waited for in run(); one deadline bounds them all.
 */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <nfsc/libnfs.h> /* first: the raw headers need its macros */
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-portmap.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/util.h"
#include "client.h"
#include "libnfs_codec.h"
#include "nfs_errno.h"

#define MOUNT_LIMIT_NS 10000000000ull

/* What a step waits for. */
struct wait {
	bool over;
	int status; /* RPC_STATUS_* */
	int err; /* -errno of the reply */
	struct nfs_mount *mnt;
	struct nfs_result res;
};

/* The whole of it. */
struct mounting {
	struct nfs_mount *mnt;
	uint64_t until;
	char *err;
	size_t len;
};

/* Runs the context until the step is over. 0, -ETIMEDOUT, or -EIO when the connection failed. */
static int run(const struct mounting *m, struct rpc_context *rpc, struct wait *w)
{
	while (!w->over) {
		struct pollfd pfd = { .fd = rpc_get_fd(rpc),
				      .events = (short)rpc_which_events(rpc) };

		if (clock_ns() > m->until)
			return -ETIMEDOUT;
		if (poll(&pfd, 1, 100) < 0 && errno != EINTR)
			return -errno;
		if (rpc_service(rpc, pfd.revents) && !w->over)
			return -EIO;
	}
	return w->status == RPC_STATUS_SUCCESS ? w->err : -EIO;
}

static void on_step(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct wait *w = private_data;

	w->over = true;
	w->status = status;
}

static int connect_to(const struct mounting *m, struct rpc_context *rpc, uint16_t port, int program,
		      int version)
{
	const char *address = m->mnt->address;
	struct wait w = { 0 };
	int rc;

	rc = port ? rpc_connect_port_async(rpc, address, port, program, version, on_step, &w) :
		    rpc_connect_program_async(rpc, address, program, version, on_step, &w);
	return rc ? -EIO : run(m, rpc, &w);
}

static const char *why(struct rpc_context *rpc, int rc)
{
	const char *text = rpc_get_error(rpc);

	if (rc == -ETIMEDOUT)
		return "timeout";
	return rc == -EIO && text ? text : strerror(-rc);
}

/* ---- MOUNT ---- */

static void on_mnt(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct wait *w = private_data;
	const mountres3 *res = data;

	on_step(rpc, status, data, private_data);
	if (status != RPC_STATUS_SUCCESS || !res)
		return;
	w->err = nfs_errno(res->fhs_status);
	if (w->err)
		return;
	w->mnt->root.len = res->mountres3_u.mountinfo.fhandle.fhandle3_len;
	if (!w->mnt->root.len || w->mnt->root.len > NFS_FH_MAX) {
		w->err = -EBADMSG;
		return;
	}
	memcpy(w->mnt->root.data, res->mountres3_u.mountinfo.fhandle.fhandle3_val,
	       w->mnt->root.len);
}

static int ask_mount(const struct mounting *m)
{
	const struct nfs_mount_opts *o = &m->mnt->opts;
	struct rpc_context *rpc = rpc_init_context();
	struct wait w = { .mnt = m->mnt };
	int rc;

	if (!rpc)
		return -ENOMEM;
	rc = connect_to(m, rpc, o->mount_port, MOUNT_PROGRAM, MOUNT_V3);
	if (rc) {
		snprintf(m->err, m->len,
			 "NFS server %s does not answer on its mount port (%s): is it running, and is mountport=%u right?",
			 o->server, why(rpc, rc), o->mount_port);
		rpc_destroy_context(rpc);
		return -EHOSTUNREACH;
	}
	rc = rpc_mount3_mnt_async(rpc, on_mnt, (char *)o->export_path, &w) ? -ENOMEM :
									    run(m, rpc, &w);
	if (rc)
		snprintf(m->err, m->len,
			 "NFS server %s refuses to mount %s (%s): check its exports and who may mount them",
			 o->server, o->export_path, why(rpc, rc));
	rpc_destroy_context(rpc);
	return rc;
}

/* ---- NFS ---- */

static void on_call(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct nfs_call *call = private_data;
	struct wait *w = (struct wait *)call->name2; /* unused by these procedures */

	on_step(rpc, status, data, w);
	if (status == RPC_STATUS_SUCCESS && data)
		w->err = codec_result(call, data, &w->res);
}

static int ask(const struct mounting *m, struct rpc_context *rpc, enum nfs_proc proc, struct wait *w)
{
	struct nfs_call call = { .proc = proc, .fh = &m->mnt->root, .name2 = (const char *)w };
	struct codec_scratch none = { 0 };

	memset(w, 0, sizeof(*w));
	return codec_send(rpc, &call, &none, on_call) ? -ENOMEM : run(m, rpc, w);
}

static uint32_t limit_io(uint32_t server, uint32_t wanted)
{
	/* 1 MiB: what the guest sends at most. A server that names no limit gets a safe one. */
	uint32_t most = server ? min(server, 1u << 20) : 32768;

	return wanted ? min(wanted, most) : most;
}

static int ask_fs(const struct mounting *m, struct rpc_context *rpc)
{
	struct nfs_mount *mnt = m->mnt;
	struct wait w;
	int rc = ask(m, rpc, NFS_GETATTR, &w);

	if (rc)
		return rc;
	if (!S_ISDIR(w.res.attr.mode))
		return -ENOTDIR;
	mnt->root_attr = w.res.attr;
	rc = ask(m, rpc, NFS_FSINFO, &w);
	if (rc)
		return rc;
	mnt->rtmax = limit_io(w.res.rtmax, mnt->opts.rsize);
	mnt->wtmax = limit_io(w.res.wtmax, mnt->opts.wsize);
	mnt->dtpref = w.res.dtpref ? min(w.res.dtpref, 1u << 20) : 32768;
	mnt->time_delta = w.res.time_delta;
	rc = ask(m, rpc, NFS_PATHCONF, &w);
	mnt->name_max = rc || !w.res.name_max ? NAME_MAX : min(w.res.name_max, (uint32_t)NAME_MAX);
	return 0;
}

static int ask_nfs(const struct mounting *m)
{
	struct nfs_mount *mnt = m->mnt;
	struct rpc_context *rpc = rpc_init_context();
	int rc;

	if (!rpc)
		return -ENOMEM;
	rc = connect_to(m, rpc, mnt->nfs_port, NFS_PROGRAM, NFS_V3);
	if (rc) {
		snprintf(m->err, m->len, "NFS server %s does not answer NFSv3 on port %u (%s)",
			 mnt->opts.server, mnt->nfs_port, why(rpc, rc));
		rpc_destroy_context(rpc);
		return -EHOSTUNREACH;
	}
	rc = ask_fs(m, rpc);
	if (rc)
		snprintf(m->err, m->len, "NFS server %s does not let us use %s: %s",
			 mnt->opts.server, mnt->opts.export_path, why(rpc, rc));
	rpc_destroy_context(rpc);
	return rc;
}

/* ---- portmapper ---- */

struct port_wait {
	struct wait w;
	uint32_t port;
};

static void on_port(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct port_wait *p = private_data;

	on_step(rpc, status, data, &p->w);
	if (status == RPC_STATUS_SUCCESS && data)
		p->port = *(uint32_t *)data;
}

static int ask_port(const struct mounting *m)
{
	struct rpc_context *rpc = rpc_init_context();
	struct port_wait p = { 0 };
	int rc;

	if (!rpc)
		return -ENOMEM;
	rc = connect_to(m, rpc, 111, PMAP_PROGRAM, PMAP_V2);
	if (!rc)
		rc = rpc_pmap2_getport_async(rpc, NFS_PROGRAM, NFS_V3, 6, on_port, &p) ?
			     -ENOMEM : run(m, rpc, &p.w);
	rpc_destroy_context(rpc);
	if (!rc && p.port > 0 && p.port <= UINT16_MAX) {
		m->mnt->nfs_port = (uint16_t)p.port;
		return 0;
	}
	snprintf(m->err, m->len,
		 "NFS server %s: its port mapper does not tell the port of NFSv3: start the server, or name the ports with -o nfsport=,mountport=",
		 m->mnt->opts.server);
	return -EHOSTUNREACH;
}

/* -EHOSTUNREACH: nobody there; another address of the same name may do. */
static int mount_at(const struct mounting *m, const struct addrinfo *ai)
{
	struct nfs_mount *mnt = m->mnt;
	int rc;

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, mnt->address, sizeof(mnt->address), NULL, 0,
			NI_NUMERICHOST))
		return -EHOSTUNREACH;
	mnt->nfs_port = mnt->opts.nfs_port;
	rc = mnt->nfs_port ? 0 : ask_port(m);
	if (!rc)
		rc = ask_mount(m);
	return rc ? rc : ask_nfs(m);
}

int nfsc_mount(const struct nfs_mount_opts *opts, struct nfs_mount *mnt, char *err, size_t len)
{
	const struct mounting m = { mnt, clock_ns() + MOUNT_LIMIT_NS, err, len };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int rc;

	memset(mnt, 0, sizeof(*mnt));
	mnt->opts = *opts;
	err[0] = '\0';
	rc = getaddrinfo(opts->server, NULL, &hints, &list);
	if (rc) {
		snprintf(err, len, "NFS server '%s' cannot be found: %s", opts->server,
			 gai_strerror(rc));
		return -EHOSTUNREACH;
	}
	rc = -EHOSTUNREACH;
	for (ai = list; ai && rc == -EHOSTUNREACH; ai = ai->ai_next)
		rc = mount_at(&m, ai);
	freeaddrinfo(list);
	return rc;
}

/* The list is for the server's administrator to read: nothing depends on it. */
void nfsc_umount(const struct nfs_mount *mnt)
{
}
