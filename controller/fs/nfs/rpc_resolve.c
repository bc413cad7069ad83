/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking up a server's addresses and ports while I/O goes on.
 *
 * Theory of operation: getaddrinfo() and a silent port mapper may take as long as they like, so
 * they run on a thread that lives for one question. It shares the answer with who asked by a count
 * of two: whoever lets go last frees it, so that a client can end without waiting for a name
 * server.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "nfs_worker.h"
#include "rpc.h"

#define PORT_LIMIT_NS 5000000000ull /* of one address' port mapper */

struct rpc_resolve {
	int refs; /* atomic */
	int done; /* atomic; released with addrs */
	struct rpc_where where;
	struct rpc_addrs addrs;
};

static void put_ref(struct rpc_resolve *r)
{
	if (__atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(r);
}

/* Keeps those addresses whose port is known. */
static void find_ports(struct rpc_resolve *r)
{
	struct rpc_addrs *a = &r->addrs;
	unsigned int kept = 0;

	a->absent = false;
	for (unsigned int i = 0; i < a->nr; i++) {
		struct sockaddr_storage addr = a->addr[i];
		int rc = 0;

		if (r->where.port)
			rpc_addr_set_port(&addr, r->where.port);
		else
			rc = rpc_sync_port(&addr, r->where.prog, r->where.vers, clock_ns() + PORT_LIMIT_NS);
		a->absent |= rc == -ENOENT;
		if (!rc)
			a->addr[kept++] = addr;
	}
	a->nr = kept;
}

static void *resolve_main(void *arg)
{
	struct rpc_resolve *r = arg;

	if (rpc_sync_addrs(r->where.server, r->where.family, &r->addrs))
		r->addrs.nr = 0;
	find_ports(r);
	__atomic_store_n(&r->done, 1, __ATOMIC_RELEASE); /* pairs with rpc_resolve_take() */
	put_ref(r);
	return NULL;
}

struct rpc_resolve *rpc_resolve_start(const struct rpc_where *where)
{
	struct rpc_resolve *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->where = *where;
	r->refs = 2;
	if (!nfs_worker_start(NULL, resolve_main, r))
		return r;
	free(r);
	return NULL;
}

bool rpc_resolve_take(struct rpc_resolve **pr, struct rpc_addrs *ret)
{
	struct rpc_resolve *r = *pr;

	if (!__atomic_load_n(&r->done, __ATOMIC_ACQUIRE)) /* pairs with resolve_main() */
		return false;
	*ret = r->addrs;
	*pr = NULL;
	put_ref(r);
	return true;
}

void rpc_resolve_drop(struct rpc_resolve *r)
{
	if (r)
		put_ref(r);
}
