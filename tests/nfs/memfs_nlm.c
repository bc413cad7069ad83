/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NLM v4: TEST, LOCK, CANCEL, UNLOCK and FREE_ALL, locks that a restart forgets, a grace period the test ends; who
 * waits is called back, and the answer is left in the socket for the test.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memfs_int.h"

enum { TEST = 1, LOCK, CANCEL, UNLOCK, NLM_GRANTED, NLM_GRANTED_MSG = 10, GRANTED_RES = 15, FREE_ALL = 23 };
enum { GRANTED, DENIED, DENIED_NOLOCKS, BLOCKED, DENIED_GRACE };

#define NSM 100024u
#define COOKIE 0x600d600du

struct request {
	uint32_t ino, svid, exclusive, reclaim, block;
	uint64_t start, end; /* end not included */
	struct memfs_waiter who;
};

static void keep_bytes(struct cursor *cur, uint8_t *to, uint32_t *ret_len)
{
	const uint8_t *p = cur_bytes(cur, ret_len);

	*ret_len = *ret_len < 64 ? *ret_len : 64;
	memcpy(to, p, *ret_len);
}

static bool read_request(struct memfs *m, const struct fake_call *c, struct cursor *cur, struct request *r)
{
	struct memfs_inode *i;
	struct cursor fh;
	uint32_t len;

	memset(r, 0, sizeof(*r));
	if (c->proc == LOCK || c->proc == CANCEL)
		r->block = cur32(cur);
	if (c->proc != UNLOCK)
		r->exclusive = cur32(cur);
	cur_bytes(cur, &len); /* caller */
	fh = *cur;
	keep_bytes(&fh, r->who.fh, &r->who.fh_len);
	i = cur_fh(m, cur);
	keep_bytes(cur, r->who.oh, &r->who.oh_len);
	r->svid = cur32(cur);
	r->start = cur64(cur);
	r->end = cur64(cur);
	r->end = r->end ? r->start + r->end : UINT64_MAX;
	if (c->proc == LOCK)
		r->reclaim = cur32(cur);
	r->ino = i ? ino_of(m, i) : 0;
	r->who.lock = (struct memfs_lock){ r->ino, r->svid, r->exclusive, r->start, r->end };
	return i;
}

static struct memfs_lock *conflict(struct memfs *m, const struct request *r)
{
	for (int n = 0; n < MEMFS_LOCKS; n++) {
		struct memfs_lock *l = &m->locks[n];

		if (l->ino == r->ino && l->svid != r->svid && l->start < r->end && r->start < l->end &&
		    (l->exclusive || r->exclusive))
			return l;
	}
	return NULL;
}

static void add(struct memfs *m, uint32_t ino, uint32_t svid, uint32_t exclusive, uint64_t start, uint64_t end)
{
	for (int n = 0; n < MEMFS_LOCKS && start < end; n++)
		if (!m->locks[n].ino) {
			m->locks[n] = (struct memfs_lock){ ino, svid, exclusive, start, end };
			return;
		}
}

static void cut(struct memfs *m, const struct request *r)
{
	for (int n = 0; n < MEMFS_LOCKS; n++) {
		struct memfs_lock l = m->locks[n];

		if (l.ino != r->ino || l.svid != r->svid || l.start >= r->end || r->start >= l.end)
			continue;
		m->locks[n].ino = 0;
		add(m, l.ino, l.svid, l.exclusive, l.start, r->start);
		add(m, l.ino, l.svid, l.exclusive, r->end, l.end);
	}
}

/* ---- calling back ---- */

static void put_call(struct fake_call *c, uint32_t prog, uint32_t vers, uint32_t proc)
{
	const uint32_t words[] = { 4711, 0, 2, prog, vers, proc, 0, 0, 0, 0 };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		put32(c, words[i]);
}

static void put_granted(struct fake_call *c, const struct memfs_waiter *w, enum memfs_grant how)
{
	const struct memfs_lock *l = &w->lock;

	put_call(c, FAKE_NLM, 4, how == GRANT_MSG ? NLM_GRANTED_MSG : NLM_GRANTED);
	put32(c, 4); /* cookie */
	put32(c, COOKIE);
	put32(c, l->exclusive);
	put_bytes(c, "client", 6);
	put_bytes(c, w->fh, w->fh_len);
	put_bytes(c, w->oh, w->oh_len);
	put32(c, l->svid);
	put64(c, l->start);
	put64(c, l->end == UINT64_MAX ? 0 : l->end - l->start);
}

/* A record, or with UDP a datagram; what comes back stays in the socket. */
static int send_call(const struct fake_call *c, uint16_t port, int type, const char *from)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(port) }, self = { .sin_family = AF_INET };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	uint32_t mark = htonl(0x80000000u | (uint32_t)c->out_len);
	bool ok;

	self.sin_addr.s_addr = inet_addr(from ? from : "127.0.0.1");
	ok = fd >= 0 && !bind(fd, (struct sockaddr *)&self, sizeof(self)) &&
	     !connect(fd, (struct sockaddr *)&to, sizeof(to));
	if (ok && type == SOCK_STREAM)
		ok = send(fd, &mark, 4, MSG_NOSIGNAL) == 4;
	if (ok && send(fd, c->out, c->out_len, MSG_NOSIGNAL) == (ssize_t)c->out_len)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int send_granted(struct memfs *m, const struct memfs_waiter *w, enum memfs_grant how, const char *from)
{
	uint8_t buf[512];
	struct fake_call c = { .out = buf };
	bool udp = how == GRANT_UDP;

	put_granted(&c, w, how);
	return send_call(&c, udp ? m->nlm.udp : m->nlm.tcp, udp ? SOCK_DGRAM : SOCK_STREAM, from);
}

static struct memfs_waiter *find_waiter(struct memfs *m, const struct request *r)
{
	struct memfs_waiter *w = m->nlm.wait, *end = w + sizeof(m->nlm.wait) / sizeof(*w);

	while (w < end && memcmp(&w->lock, &r->who.lock, sizeof(w->lock)))
		w++;
	return w < end ? w : NULL;
}

/* Whoever may have his lock now gets it. */
static void grant_all(struct memfs *m)
{
	struct memfs_nlm *n = &m->nlm;

	for (size_t i = 0; i < sizeof(n->wait) / sizeof(n->wait[0]); i++) {
		struct memfs_lock l = n->wait[i].lock;
		struct request r = { .ino = l.ino, .svid = l.svid, .exclusive = l.exclusive, .start = l.start,
				     .end = l.end };

		if (!l.ino || conflict(m, &r))
			continue;
		cut(m, &r);
		add(m, l.ino, l.svid, l.exclusive, l.start, l.end);
		n->last = n->wait[i];
		n->wait[i].lock.ino = 0;
		if (n->fd >= 0)
			close(n->fd);
		n->fd = n->how == GRANT_LOST ? -1 : send_granted(m, &n->last, n->how, NULL);
	}
}

/* ---- calls ---- */

static uint32_t let_wait(struct memfs *m, const struct request *r)
{
	static const struct request none;
	struct memfs_waiter *w = find_waiter(m, r);

	if (!r->block || m->nlm.how == GRANT_NEVER)
		return DENIED;
	if (!w)
		w = find_waiter(m, &none);
	if (!w)
		return DENIED_NOLOCKS;
	*w = r->who;
	m->nlm.blocked++;
	return BLOCKED;
}

static void stop_waiting(struct memfs *m, const struct request *r)
{
	struct memfs_waiter *w = find_waiter(m, r);

	if (w)
		memset(w, 0, sizeof(*w));
}

static uint32_t serve(struct memfs *m, const struct fake_call *c, const struct request *r)
{
	m->nlm.asked += c->proc == LOCK;
	m->nlm.cancels += c->proc == CANCEL;
	if (c->proc == CANCEL) {
		stop_waiting(m, r);
		return GRANTED;
	}
	if (c->proc == UNLOCK) {
		cut(m, r);
		grant_all(m);
		return GRANTED;
	}
	if (m->grace != r->reclaim)
		return DENIED_GRACE;
	if (conflict(m, r))
		return c->proc == LOCK ? let_wait(m, r) : DENIED;
	if (c->proc == LOCK) {
		cut(m, r);
		add(m, r->ino, r->svid, r->exclusive, r->start, r->end);
	}
	return GRANTED;
}

/* Calls without results. */
static void serve_void(struct memfs *m, const struct fake_call *c)
{
	struct cursor cur = { c, 0 };
	uint32_t len;

	if (c->proc == FREE_ALL) {
		memset(m->locks, 0, sizeof(m->locks));
		m->nlm.free_alls++;
		return;
	}
	cur_bytes(&cur, &len);
	m->nlm.answer = cur32(&cur);
	m->nlm.answers++;
}

void memfs_nlm_execute(struct memfs *m, struct fake_call *c)
{
	struct cursor cur = { c, 0 };
	const struct memfs_lock *l;
	const uint8_t *cookie;
	struct request r;
	uint32_t len, stat;

	if (c->proc >= GRANTED_RES) {
		serve_void(m, c);
		return;
	}
	cookie = cur_bytes(&cur, &len);
	put_bytes(c, cookie, len);
	stat = read_request(m, c, &cur, &r) ? serve(m, c, &r) : 7 /* STALE_FH */;
	put32(c, stat);
	if (c->proc != TEST || stat != DENIED)
		return;
	l = conflict(m, &r);
	put32(c, l->exclusive);
	put32(c, l->svid);
	put_bytes(c, "oh", 2);
	put64(c, l->start);
	put64(c, l->end == UINT64_MAX ? 0 : l->end - l->start);
}

/* ---- for the test ---- */

void memfs_forget_locks(struct memfs *m)
{
	pthread_mutex_lock(&m->lock);
	memset(m->locks, 0, sizeof(m->locks));
	pthread_mutex_unlock(&m->lock);
}

void memfs_set_grant(struct memfs *m, enum memfs_grant how, uint16_t tcp, uint16_t udp)
{
	pthread_mutex_lock(&m->lock);
	m->nlm.how = how;
	m->nlm.tcp = tcp;
	m->nlm.udp = udp;
	pthread_mutex_unlock(&m->lock);
}

struct memfs_nlm memfs_nlm(struct memfs *m)
{
	struct memfs_nlm copy;

	pthread_mutex_lock(&m->lock);
	copy = m->nlm;
	pthread_mutex_unlock(&m->lock);
	return copy;
}

int memfs_grant_again(struct memfs *m, const char *from, uint8_t forge)
{
	struct memfs_waiter w = memfs_nlm(m).last;

	w.oh[w.oh_len - 1] = (uint8_t)(w.oh[w.oh_len - 1] + forge);
	return send_granted(m, &w, GRANT_CALL, from);
}

int memfs_grant_answer(int fd)
{
	uint8_t buf[256];
	struct fake_call c = { .arg = buf };
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK);

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? -EAGAIN : -ECONNRESET;
	c.arg_len = (size_t)n;
	/* A mark, a header of six words, the cookie. */
	return (int)get32(&c, 4 + 24 + 8);
}

void memfs_notify(struct memfs *m, uint32_t state)
{
	uint8_t buf[256];
	struct fake_call c = { .out = buf };
	int fd;

	put_call(&c, NSM, 1, 6);
	put_bytes(&c, "server", 6);
	put32(&c, state);
	fd = send_call(&c, memfs_nlm(m).udp, SOCK_DGRAM, NULL);
	if (fd >= 0)
		close(fd);
}
