/* SPDX-License-Identifier: BSD-3-Clause */
#include "nfs_fake.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROG_MOUNT 100005u
#define HEADER 24 /* xid, REPLY, accepted, verifier, success */
#define LAST_RECORD 0x80000000u

static void die(const char *what)
{
	fprintf(stderr, "nfs_fake: %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- XDR ---- */

void put32(struct fake_call *c, uint32_t v)
{
	v = htobe32(v);
	memcpy(c->out + c->out_len, &v, 4);
	c->out_len += 4;
}

void put64(struct fake_call *c, uint64_t v)
{
	put32(c, (uint32_t)(v >> 32));
	put32(c, (uint32_t)v);
}

void put_bytes(struct fake_call *c, const void *data, uint32_t len)
{
	put32(c, len);
	memset(c->out + c->out_len, 0, (len + 3u) & ~3u);
	memcpy(c->out + c->out_len, data, len);
	c->out_len += (len + 3u) & ~3u;
}

void put_verf(struct fake_call *c, uint64_t verf)
{
	memcpy(c->out + c->out_len, &verf, 8);
	c->out_len += 8;
}

void put_fattr(struct fake_call *c, bool dir, uint64_t size)
{
	put32(c, dir ? 2 : 1);
	put32(c, dir ? 0755 : 04640);
	put32(c, 1);
	put32(c, 1001);
	put32(c, 1002);
	put64(c, size);
	put64(c, size);
	put64(c, 0); /* rdev */
	put64(c, 7); /* fsid */
	put64(c, dir ? 2 : 1000 + size); /* fileid */
	for (uint32_t i = 1; i <= 3; i++) {
		put32(c, 100 * i);
		put32(c, i);
	}
}

void put_attr(struct fake_call *c, bool dir, uint64_t size)
{
	put32(c, 1);
	put_fattr(c, dir, size);
}

void put_no_wcc(struct fake_call *c)
{
	put32(c, 0);
	put32(c, 0);
}

void put_error(struct fake_call *c, uint32_t status)
{
	put32(c, status);
	for (int i = 0; i < 4; i++) /* more than any error has; the rest is not looked at */
		put32(c, 0);
}

uint32_t get32(const struct fake_call *c, size_t off)
{
	uint32_t v = 0;

	if (off + 4 <= c->arg_len)
		memcpy(&v, c->arg + off, 4);
	return be32toh(v);
}

uint64_t get64(const struct fake_call *c, size_t off)
{
	return (uint64_t)get32(c, off) << 32 | get32(c, off + 4);
}

const uint8_t *get_bytes(const struct fake_call *c, size_t off, uint32_t *len, size_t *end)
{
	*len = get32(c, off);
	*end = off + 4 + ((*len + 3u) & ~3u);
	return c->arg + off + 4;
}

/* ---- a healthy server ---- */

static bool is_root(const struct fake_call *c)
{
	size_t end;
	uint32_t len;
	const uint8_t *fh = get_bytes(c, 0, &len, &end);

	return len == 4 && !memcmp(fh, "root", 4);
}

static void answer_lookup(struct fake_call *c)
{
	const uint8_t *name;
	uint32_t len;
	size_t end;

	get_bytes(c, 0, &len, &end);
	name = get_bytes(c, end, &len, &end);
	put32(c, 0);
	put_bytes(c, name, len);
	put_attr(c, false, 5);
	put32(c, 0);
}

static void answer_create(struct fake_call *c)
{
	const uint8_t *name;
	uint32_t len;
	size_t end;

	get_bytes(c, 0, &len, &end);
	name = get_bytes(c, end, &len, &end);
	put32(c, 0);
	put32(c, 1);
	put_bytes(c, name, len);
	put_attr(c, c->proc == 9, 0);
	put_no_wcc(c);
}

static void answer_write(struct fake_call *c)
{
	uint32_t len, count;
	size_t end;

	get_bytes(c, 0, &len, &end);
	count = get32(c, end + 8);
	put32(c, 0);
	put_no_wcc(c);
	put32(c, count);
	put32(c, 0); /* UNSTABLE */
	put_verf(c, 1);
}

static void answer_read(struct fake_call *c)
{
	uint32_t len, count;
	size_t end;

	get_bytes(c, 0, &len, &end);
	count = get32(c, end + 8);
	count = count < 5 ? count : 5;
	put32(c, 0);
	put_attr(c, false, 5);
	put32(c, count);
	put32(c, 1); /* EOF */
	put_bytes(c, "hello", count);
}

static void answer_fsinfo(struct fake_call *c)
{
	put32(c, 0);
	put32(c, 0);
	for (int i = 0; i < 7; i++) /* most, preferred, multiple; of READ, WRITE; READDIR */
		put32(c, i == 2 || i == 5 ? 1 : 1 << 20);
	put64(c, 1ull << 62);
	put64(c, 0);
	put32(c, 0x1b);
}

static void answer_pathconf(struct fake_call *c)
{
	put32(c, 0);
	put32(c, 0);
	for (int i = 0; i < 6; i++)
		put32(c, i == 1 ? 255 : 1);
}

static void answer_commit(struct fake_call *c)
{
	put32(c, 0);
	put_no_wcc(c);
	put_verf(c, 1);
}

static void answer_nfs(struct fake_call *c)
{
	switch (c->proc) {
	case 0: /* NULL */
		break;
	case GETATTR:
		put32(c, 0);
		put_fattr(c, is_root(c), is_root(c) ? 4096 : 5);
		break;
	case SETATTR:
		put32(c, 0);
		put32(c, 0);
		put_attr(c, is_root(c), 5);
		break;
	case LOOKUP:
		answer_lookup(c);
		break;
	case ACCESS:
		put32(c, 0);
		put32(c, 0);
		put32(c, 0x3f);
		break;
	case READ:
		answer_read(c);
		break;
	case WRITE:
		answer_write(c);
		break;
	case CREATE:
	case MKDIR:
	case SYMLINK:
	case MKNOD:
		answer_create(c);
		break;
	case REMOVE:
	case RMDIR:
		put32(c, 0);
		put_no_wcc(c);
		break;
	case RENAME:
		put32(c, 0);
		put_no_wcc(c);
		put_no_wcc(c);
		break;
	case LINK:
		put32(c, 0);
		put32(c, 0);
		put_no_wcc(c);
		break;
	case FSINFO:
		answer_fsinfo(c);
		break;
	case PATHCONF:
		answer_pathconf(c);
		break;
	case COMMIT:
		answer_commit(c);
		break;
	default:
		put_error(c, 10004);
	}
}

static void answer_mount(struct fake_call *c)
{
	if (c->proc != 1)
		return;
	put32(c, 0);
	put_bytes(c, "root", 4);
	put32(c, 1);
	put32(c, 1); /* AUTH_SYS */
}

/* ---- the wire ---- */

static void send_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the client left: its business */
		p += n;
		len -= (size_t)n;
	}
}

static bool recv_all(int fd, void *data, size_t len)
{
	return recv(fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

static bool parse_call(struct fake_call *c, const uint8_t *rec, size_t len)
{
	struct fake_call raw = { .arg = rec, .arg_len = len };
	size_t cred_end, end;
	uint32_t n;

	c->xid = get32(&raw, 0);
	c->prog = get32(&raw, 12);
	c->proc = get32(&raw, 20);
	get_bytes(&raw, 28, &n, &cred_end);
	if (get32(&raw, 24) == 1) { /* AUTH_SYS: stamp, machine, uid, gid, groups */
		get_bytes(&raw, 36, &n, &end);
		c->uid = get32(&raw, end);
		c->gid = get32(&raw, end + 4);
		c->ngroups = get32(&raw, end + 8);
		for (uint32_t i = 0; i < c->ngroups && i < 16; i++)
			c->groups[i] = get32(&raw, end + 12 + 4 * i);
	}
	get_bytes(&raw, cred_end + 4, &n, &end);
	if (end > len)
		return false;
	c->arg = rec + end;
	c->arg_len = len - end;
	return true;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Keeps a copy for later; false: no room for it. */
static bool put_off(struct fake *f, int conn, const uint8_t *record, size_t len, unsigned int ms)
{
	for (int i = 0; i < FAKE_DELAYED; i++) {
		struct fake_late *l = &f->late[i];

		if (l->record)
			continue;
		l->record = malloc(len);
		memcpy(l->record, record, len);
		l->len = len;
		l->due_ns = now_ns() + ms * 1000000ull;
		l->conn = (unsigned int)conn;
		l->serial = f->serial[conn];
		return true;
	}
	return false;
}

static void send_late(struct fake *f)
{
	for (int i = 0; i < FAKE_DELAYED; i++) {
		struct fake_late *l = &f->late[i];

		if (!l->record || l->due_ns > now_ns())
			continue;
		if (f->fd[l->conn] >= 0 && f->serial[l->conn] == l->serial)
			send_all(f->fd[l->conn], l->record, l->len);
		free(l->record);
		l->record = NULL;
	}
}

/* verdict: FAKE_DENY, FAKE_NO_PROGRAM, FAKE_SYSTEM_ERR, or any other for a reply as it is. */
static void send_reply(struct fake *f, int conn, struct fake_call *c, enum fake_verdict verdict)
{
	bool denied = verdict == FAKE_DENY;
	struct fake_call head = { .out = f->reply };
	size_t len;

	put32(&head, LAST_RECORD | (uint32_t)(denied ? 20 : HEADER + c->out_len));
	put32(&head, c->xid);
	put32(&head, 1); /* REPLY */
	put32(&head, denied ? 1 : 0);
	put32(&head, denied ? 1 : 0); /* AUTH_ERROR, or the verifier's flavor */
	put32(&head, denied ? 1 : 0); /* AUTH_BADCRED, or its length */
	if (!denied)
		put32(&head, verdict == FAKE_NO_PROGRAM ? 1 : verdict == FAKE_SYSTEM_ERR ? 5 : 0);
	len = head.out_len + (denied ? 0 : c->out_len);
	if (!c->delay_ms || !put_off(f, conn, f->reply, len, c->delay_ms))
		send_all(f->fd[conn], f->reply, len);
}

static enum fake_verdict ask_handler(struct fake *f, struct fake_call *c)
{
	enum fake_verdict (*handle)(struct fake *f, struct fake_call *c) =
		__atomic_load_n(&f->handle, __ATOMIC_ACQUIRE);

	if (c->prog == FAKE_NFSACL || c->prog == FAKE_NLM)
		return __atomic_load_n(&f->has_side, __ATOMIC_RELAXED) ? handle(f, c) : FAKE_NO_PROGRAM;
	if (c->prog != FAKE_NFS || c->proc >= 22)
		return FAKE_DEFAULT;
	c->nth = __atomic_fetch_add(&f->count[c->proc], 1, __ATOMIC_RELAXED);
	return handle ? handle(f, c) : FAKE_DEFAULT;
}

/* One call. false: close the connection. */
static bool serve(struct fake *f, int conn)
{
	struct fake_call c = { .out = f->reply + 4 + HEADER };
	int fd = f->fd[conn];
	enum fake_verdict verdict;
	uint32_t mark;

	if (!recv_all(fd, &mark, 4))
		return false;
	mark = be32toh(mark) & ~LAST_RECORD;
	if (mark > FAKE_BYTES || !recv_all(fd, f->in, mark) || !parse_call(&c, f->in, mark))
		return false;
	verdict = ask_handler(f, &c);
	switch (verdict) {
	case FAKE_DEFAULT:
		c.out_len = 0;
		if (c.prog == PROG_MOUNT)
			answer_mount(&c);
		else
			answer_nfs(&c);
		send_reply(f, conn, &c, verdict);
		return true;
	case FAKE_TWICE:
		send_reply(f, conn, &c, verdict);
		/* fall through */
	case FAKE_REPLY:
	case FAKE_DENY:
	case FAKE_NO_PROGRAM:
	case FAKE_SYSTEM_ERR:
		send_reply(f, conn, &c, verdict);
		return true;
	case FAKE_RAW:
		send_all(fd, c.out, c.out_len);
		return true;
	case FAKE_DROP:
		return true;
	case FAKE_CLOSE:
		break;
	}
	return false;
}

static void drop(struct fake *f, int i)
{
	close(f->fd[i]);
	f->fd[i] = -1;
}

static void take_connection(struct fake *f)
{
	int fd = accept(f->listen_fd, NULL, NULL);

	__atomic_add_fetch(&f->conns, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < FAKE_CONNS; i++) {
		if (f->fd[i] < 0) {
			f->fd[i] = fd;
			f->serial[i]++;
			return;
		}
	}
	close(fd);
}

/* Also those that nobody has taken yet: they were made with the server that is no more. */
static void drop_all(struct fake *f)
{
	struct pollfd p = { .fd = f->listen_fd, .events = POLLIN };

	for (int i = 0; i < FAKE_CONNS; i++)
		if (f->fd[i] >= 0)
			drop(f, i);
	while (poll(&p, 1, 0) > 0)
		close(accept(f->listen_fd, NULL, NULL));
}

/* The client has reset it and asked anew elsewhere: what is still to be read here is not served after that. */
static bool is_broken(const struct pollfd *p)
{
	return p->revents & (POLLERR | POLLHUP);
}

static void *fake_main(void *arg)
{
	struct fake *f = arg;
	struct pollfd p[2 + FAKE_CONNS];

	for (;;) {
		p[0] = (struct pollfd){ .fd = f->stop_fd, .events = POLLIN };
		p[1] = (struct pollfd){ .fd = f->listen_fd, .events = POLLIN };
		for (int i = 0; i < FAKE_CONNS; i++)
			p[2 + i] = (struct pollfd){ .fd = f->fd[i], .events = POLLIN };
		poll(p, 2 + FAKE_CONNS, 5);
		send_late(f);
		if (p[0].revents)
			return NULL;
		for (int i = 0; i < FAKE_CONNS; i++)
			if (p[2 + i].revents && (is_broken(&p[2 + i]) || !serve(f, i)))
				drop(f, i);
		if (p[1].revents)
			take_connection(f);
		if (__atomic_exchange_n(&f->kick, 0, __ATOMIC_ACQ_REL))
			drop_all(f);
	}
}

void fake_start(struct fake *f, enum fake_verdict (*handle)(struct fake *f, struct fake_call *c))
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	memset(f, 0, sizeof(*f));
	f->handle = handle;
	f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	f->stop_fd = eventfd(0, EFD_CLOEXEC);
	f->in = malloc(FAKE_BYTES);
	f->reply = malloc(FAKE_BYTES + 64);
	for (int i = 0; i < FAKE_CONNS; i++)
		f->fd[i] = -1;
	if (f->listen_fd < 0 || f->stop_fd < 0 || !f->in || !f->reply ||
	    bind(f->listen_fd, (struct sockaddr *)&a, len) || listen(f->listen_fd, 8) ||
	    getsockname(f->listen_fd, (struct sockaddr *)&a, &len))
		die("start");
	f->port = ntohs(a.sin_port);
	if (pthread_create(&f->tid, NULL, fake_main, f))
		die("thread");
}

void fake_stop(struct fake *f)
{
	eventfd_write(f->stop_fd, 1);
	pthread_join(f->tid, NULL);
	for (int i = 0; i < FAKE_CONNS; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	for (int i = 0; i < FAKE_DELAYED; i++)
		free(f->late[i].record);
	close(f->listen_fd);
	close(f->stop_fd);
	free(f->in);
	free(f->reply);
}
