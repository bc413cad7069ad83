/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_rpcbind.h"

#include <endian.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../fs/nfs_fake.h"
#include "fs/nfs/rpcbind.h"

#define ENTRIES 16

enum { SET = 1, UNSET, GETPORT };

static struct rpcbind {
	pthread_mutex_t lock;
	pthread_t tid;
	int fd;
	const char *usual;
	char dir[64], path[96];
	struct entry {
		uint32_t prog; /* 0: free */
		char netid[16];
		unsigned int port;
	} entry[ENTRIES];
} rb = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct entry *find(uint32_t prog, const char *netid)
{
	for (int i = 0; i < ENTRIES; i++)
		if (rb.entry[i].prog == prog && (!prog || !strcmp(rb.entry[i].netid, netid)))
			return &rb.entry[i];
	return NULL;
}

static void get_text(const struct fake_call *c, size_t *off, char *to, size_t size)
{
	uint32_t len;
	const uint8_t *p = get_bytes(c, *off, &len, off);

	snprintf(to, size, "%.*s", (int)len, (const char *)p);
}

static bool set(uint32_t prog, const char *netid, unsigned int port)
{
	struct entry *e = find(prog, netid) ? NULL : find(0, NULL);

	if (!e)
		return false;
	e->prog = prog;
	snprintf(e->netid, sizeof(e->netid), "%s", netid);
	e->port = port;
	return true;
}

static void serve(struct fake_call *c, uint32_t proc)
{
	unsigned int hi = 0, lo = 0;
	char netid[16], uaddr[64], *dot;
	uint32_t prog = get32(c, 0);
	struct entry *e;
	size_t off = 8;

	if (proc == GETPORT) { /* of version 2 */
		e = find(prog, get32(c, 8) == 6 ? "tcp" : "udp");
		put32(c, e ? e->port : 0);
		return;
	}
	get_text(c, &off, netid, sizeof(netid));
	get_text(c, &off, uaddr, sizeof(uaddr));
	e = find(prog, netid);
	if (proc == UNSET) {
		put32(c, e != NULL);
		if (e)
			e->prog = 0;
		return;
	}
	for (dot = uaddr + strlen(uaddr); dot > uaddr && *dot != '.'; dot--)
		;
	for (dot -= dot > uaddr; dot > uaddr && *dot != '.'; dot--)
		;
	put32(c, sscanf(dot, ".%u.%u", &hi, &lo) == 2 && set(prog, netid, hi << 8 | lo));
}

static void serve_conn(int fd)
{
	uint8_t in[1024], out[512];
	struct fake_call raw = { .arg = in }, c = { .out = out };
	ssize_t n = recv(fd, in, sizeof(in), 0);

	if (n < 44) /* a mark, and a call's header without credentials */
		return;
	raw.arg_len = (size_t)n;
	c.arg = in + 44;
	c.arg_len = (size_t)n - 44;
	for (int i = 0; i < 7; i++)
		put32(&c, i == 1 ? get32(&raw, 4) : i == 2);
	pthread_mutex_lock(&rb.lock);
	serve(&c, get32(&raw, 24));
	pthread_mutex_unlock(&rb.lock);
	n = (ssize_t)c.out_len;
	c.out_len = 0;
	put32(&c, 0x80000000u | (uint32_t)(n - 4));
	(void)send(fd, out, (size_t)n, MSG_NOSIGNAL);
}

static void *rpcbind_main(void *arg)
{
	int fd;

	while ((fd = accept4(rb.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		serve_conn(fd);
		close(fd);
	}
	return NULL;
}

void fake_rpcbind_start(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memset(rb.entry, 0, sizeof(rb.entry));
	strcpy(rb.dir, "/tmp/softdpu-rpcbind.XXXXXX");
	if (!mkdtemp(rb.dir))
		abort();
	snprintf(rb.path, sizeof(rb.path), "%s/s", rb.dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", rb.path);
	rb.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (rb.fd < 0 || bind(rb.fd, (struct sockaddr *)&a, sizeof(a)) || listen(rb.fd, 8) ||
	    pthread_create(&rb.tid, NULL, rpcbind_main, NULL))
		abort();
	rb.usual = rpcbind_path;
	rpcbind_path = rb.path;
}

void fake_rpcbind_stop(void)
{
	shutdown(rb.fd, SHUT_RDWR); /* ends accept() */
	pthread_join(rb.tid, NULL);
	close(rb.fd);
	unlink(rb.path);
	rmdir(rb.dir);
	rpcbind_path = rb.usual;
}

void fake_rpcbind_set(uint32_t prog, uint16_t port)
{
	pthread_mutex_lock(&rb.lock);
	set(prog, "tcp", port);
	set(prog, "udp", port);
	pthread_mutex_unlock(&rb.lock);
}

void fake_rpcbind_clear(void)
{
	pthread_mutex_lock(&rb.lock);
	memset(rb.entry, 0, sizeof(rb.entry));
	pthread_mutex_unlock(&rb.lock);
}

uint16_t fake_rpcbind_port(uint32_t prog, const char *netid)
{
	struct entry *e;
	uint16_t port;

	pthread_mutex_lock(&rb.lock);
	e = find(prog, netid);
	port = e ? (uint16_t)e->port : 0;
	pthread_mutex_unlock(&rb.lock);
	return port;
}
