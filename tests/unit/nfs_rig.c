/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

/* The client's thread: it never sleeps here. */
int thr_watch_add(struct thr *thr, struct thr_watch *w)
{
	return 0;
}

int thr_watch_modify(struct thr *thr, struct thr_watch *w, uint32_t events)
{
	return 0;
}

void thr_watch_remove(struct thr *thr, struct thr_watch *w)
{
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "nfs_rig: %s\n", what);
	abort();
}

void rig_connect(struct rig *r)
{
	struct rpc_conn *conn = rig_conn(r);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = conn };
	int pair[2];

	if (r->peer >= 0)
		close(r->peer);
	must(conn->state == RPC_DOWN, "it is connected");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), "socketpair");
	r->peer = pair[0];
	conn->fd = pair[1];
	conn->state = RPC_UP;
	conn->events = EPOLLIN;
	conn->since_ns = clock_ns();
	must(!epoll_ctl(r->client->epfd, EPOLL_CTL_ADD, conn->fd, &ev), "epoll_ctl");
}

void rig_open(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->peer = -1;
	/* An address and a port, so that nothing is asked; but no address that was found, so none is used. */
	r->mnt.opts.server = "127.0.0.1";
	r->mnt.opts.nfs_port = r->mnt.opts.nlm_port = 1;
	r->mnt.opts.timeo_ms = 60000;
	r->mnt.opts.retrans = 2;
	must(!nfs_client_create(&r->mnt, NULL, &r->client), "nfs_client_create");
	r->client->nlm.addrs.nr = 0;
	rig_connect(r);
}

void rig_close(struct rig *r)
{
	nfs_client_destroy(r->client);
	if (r->peer >= 0)
		close(r->peer);
}

bool rig_reserved_left(void)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	rpc_bind_reserved(fd, AF_INET);
	getsockname(fd, (struct sockaddr *)&a, &len);
	close(fd);
	return rpc_addr_port(&a) && rpc_addr_port(&a) < 1024;
}

void rig_run(struct rig *r)
{
	r->client->ready = true; /* as its thread says when something has come */
	while (nfs_client_poll(r->client))
		;
}
