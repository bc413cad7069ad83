/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mounting: the one time the controller blocks on a server. Resolves the name, asks MOUNT v3 for the root
 * handle, then FSINFO, PATHCONF and GETATTR through an ordinary client-like loop with a deadline.
 */
#include <errno.h>
#include <netdb.h>
#include <nfsc/libnfs.h> /* first: the raw headers need its macros */
#include <nfsc/libnfs-raw.h>
#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw-portmap.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

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

static int resolve(const char *server, char *address, size_t len)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	int rc = getaddrinfo(server, NULL, &hints, &list);

	if (rc)
		return rc;
	rc = getnameinfo(list->ai_addr, list->ai_addrlen, address, (socklen_t)len, NULL, 0,
			 NI_NUMERICHOST);
	freeaddrinfo(list);
	return rc;
}

/* Runs the context until the step is over. 0, -ETIMEDOUT, or -EIO when the connection failed. */
static int run(struct rpc_context *rpc, struct wait *w)
{
	uint64_t until = clock_ns() + MOUNT_LIMIT_NS;

	while (!w->over) {
		struct pollfd pfd = { .fd = rpc_get_fd(rpc),
				      .events = (short)rpc_which_events(rpc) };

		if (clock_ns() > until)
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

static int connect_to(struct rpc_context *rpc, const char *address, uint16_t port, int program,
		      int version)
{
	struct wait w = { 0 };
	int rc;

	rc = port ? rpc_connect_port_async(rpc, address, port, program, version, on_step, &w) :
		    rpc_connect_program_async(rpc, address, program, version, on_step, &w);
	return rc ? -EIO : run(rpc, &w);
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

static int ask_mount(struct nfs_mount *mnt, char *err, size_t len)
{
	const struct nfs_mount_opts *o = &mnt->opts;
	struct rpc_context *rpc = rpc_init_context();
	struct wait w = { .mnt = mnt };
	int rc;

	if (!rpc)
		return -ENOMEM;
	rc = connect_to(rpc, mnt->address, o->mount_port, MOUNT_PROGRAM, MOUNT_V3);
	if (rc) {
		snprintf(err, len,
			 "NFS server %s does not answer on its mount port (%s): is it running, and is mountport=%u right?",
			 o->server, rc == -ETIMEDOUT ? "timeout" : rpc_get_error(rpc),
			 o->mount_port);
		rpc_destroy_context(rpc);
		return -EHOSTUNREACH;
	}
	rc = rpc_mount3_mnt_async(rpc, on_mnt, (char *)o->export_path, &w) ? -ENOMEM :
									    run(rpc, &w);
	if (rc)
		snprintf(err, len,
			 "NFS server %s refuses to mount %s (%s): check its exports and who may mount them",
			 o->server, o->export_path, strerror(-rc));
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

static int ask(struct rpc_context *rpc, struct nfs_mount *mnt, enum nfs_proc proc, struct wait *w)
{
	struct nfs_call call = { .proc = proc, .fh = &mnt->root, .name2 = (const char *)w };
	struct codec_scratch none = { 0 };

	memset(w, 0, sizeof(*w));
	return codec_send(rpc, &call, &none, on_call) ? -ENOMEM : run(rpc, w);
}

static uint32_t limit_io(uint32_t server, uint32_t wanted)
{
	/* 1 MiB: what the guest sends at most. A server that names no limit gets a safe one. */
	uint32_t most = server ? min(server, 1u << 20) : 32768;

	return wanted ? min(wanted, most) : most;
}

static int ask_fs(struct nfs_mount *mnt, struct rpc_context *rpc)
{
	struct wait w;
	int rc = ask(rpc, mnt, NFS_GETATTR, &w);

	if (rc)
		return rc;
	mnt->root_attr = w.res.attr;
	rc = ask(rpc, mnt, NFS_FSINFO, &w);
	if (rc)
		return rc;
	mnt->rtmax = limit_io(w.res.rtmax, mnt->opts.rsize);
	mnt->wtmax = limit_io(w.res.wtmax, mnt->opts.wsize);
	mnt->dtpref = w.res.dtpref ? min(w.res.dtpref, 1u << 20) : 32768;
	rc = ask(rpc, mnt, NFS_PATHCONF, &w);
	mnt->name_max = rc || !w.res.name_max ? 255 : w.res.name_max;
	return 0;
}

static int ask_nfs(struct nfs_mount *mnt, char *err, size_t len)
{
	const struct nfs_mount_opts *o = &mnt->opts;
	struct rpc_context *rpc = rpc_init_context();
	int rc;

	if (!rpc)
		return -ENOMEM;
	rc = connect_to(rpc, mnt->address, mnt->nfs_port, NFS_PROGRAM, NFS_V3);
	if (rc)
		snprintf(err, len, "NFS server %s does not answer NFSv3 on port %u (%s)", o->server,
			 mnt->nfs_port, rc == -ETIMEDOUT ? "timeout" : rpc_get_error(rpc));
	else
		rc = ask_fs(mnt, rpc);
	if (rc && !err[0])
		snprintf(err, len, "NFS server %s does not let us use %s: %s", o->server,
			 o->export_path, strerror(-rc));
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

static int ask_port(struct nfs_mount *mnt, char *err, size_t len)
{
	struct rpc_context *rpc = rpc_init_context();
	struct port_wait p = { 0 };
	int rc;

	if (!rpc)
		return -ENOMEM;
	rc = connect_to(rpc, mnt->address, 111, PMAP_PROGRAM, PMAP_V2);
	if (!rc)
		rc = rpc_pmap2_getport_async(rpc, NFS_PROGRAM, NFS_V3, 6, on_port, &p) ?
			     -ENOMEM : run(rpc, &p.w);
	rpc_destroy_context(rpc);
	if (!rc && p.port > 0 && p.port <= UINT16_MAX) {
		mnt->nfs_port = (uint16_t)p.port;
		return 0;
	}
	snprintf(err, len,
		 "NFS server %s: its port mapper does not tell the port of NFSv3: start the server, or name the ports with -o nfsport=,mountport=",
		 mnt->opts.server);
	return -EHOSTUNREACH;
}

int nfsc_mount(const struct nfs_mount_opts *opts, struct nfs_mount *mnt, char *err, size_t len)
{
	int rc;

	memset(mnt, 0, sizeof(*mnt));
	mnt->opts = *opts;
	mnt->nfs_port = opts->nfs_port;
	err[0] = '\0';
	rc = resolve(opts->server, mnt->address, sizeof(mnt->address));
	if (rc) {
		snprintf(err, len, "NFS server '%s' cannot be found: %s", opts->server,
			 gai_strerror(rc));
		return -EHOSTUNREACH;
	}
	if (!mnt->nfs_port && (rc = ask_port(mnt, err, len)))
		return rc;
	rc = ask_mount(mnt, err, len);
	return rc ? rc : ask_nfs(mnt, err, len);
}
