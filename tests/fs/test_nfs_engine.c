/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of the NFS engine that no server can be made to show in time: its functions one by one. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/nfs/rpc.h"

/* The client is one without a thread. */

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

static struct nfs_mount mnt = { .opts = { .server = "x", .timeo_ms = 1000, .noresvport = true } };
static struct nfs_client client;
static struct rpc_conn conn;

/* close() may say what it likes in errno. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int rc = __real_close(fd);

	errno = 0;
	return rc;
}

static int setup(void **state)
{
	memset(&client, 0, sizeof(client));
	memset(&conn, 0, sizeof(conn));
	client.mnt = &mnt;
	client.seed = 1;
	TAILQ_INIT(&client.later);
	TAILQ_INIT(&client.ended);
	return rpc_conn_init(&conn, &client, &client.nfs);
}

static int teardown(void **state)
{
	rpc_conn_fini(&conn);
	return 0;
}

static void fly(struct nfs_call *call, enum nfs_proc proc, uint64_t sent_end)
{
	*call = (struct nfs_call){ .proc = proc, .client = &client, .conn = &conn,
				   .where = RPC_FLIGHT, .sent_end = sent_end };
	TAILQ_INSERT_TAIL(&conn.flight, call, link);
	conn.nr_flight++;
	rpc_register(&client, call);
}

/* Sent twice is what may have been executed twice: all of it had left before. */
static void test_resent(void **state)
{
	struct nfs_call call[3];

	for (unsigned int i = 0; i < 3; i++)
		fly(&call[i], NFS_MKDIR, 100 * (i + 1));
	conn.out.sent = 250;
	rpc_conn_down(&conn, true);
	for (unsigned int i = 0; i < 3; i++) {
		assert_ptr_equal(TAILQ_FIRST(&conn.queue), &call[i]); /* in their order */
		assert_false(call[i].resent);
		rpc_depart(&conn, &call[i]);
		assert_int_equal(call[i].resent, i < 2);
	}
}

/* One that waits to be sent again is nothing to a new connection: giving it up does not cost that. */
static void test_queued_again(void **state)
{
	struct nfs_call call = { .proc = NFS_GETATTR, .client = &client, .conn = &conn,
				 .where = RPC_QUEUE, .sent_end = 100, .went_out = RPC_OUT_HERE };

	TAILQ_INSERT_TAIL(&conn.queue, &call, link);
	rpc_conn_down(&conn, true);
	nfs_client_cancel(&client, &call);
	assert_null(conn.lost);
	assert_int_equal(call.where, RPC_ENDED);
}

/* The answer to the first sending comes while the second is on its way. */
static void test_late_answer(void **state)
{
	struct nfs_call first, twice, write;

	fly(&twice, NFS_GETATTR, 200);
	fly(&write, NFS_WRITE, 300);
	twice.went_out = write.went_out = RPC_OUT_HERE;
	conn.out.sent = 150;
	assert_ptr_equal(rpc_find(&conn, twice.xid), &twice);
	assert_null(rpc_find(&conn, write.xid)); /* its data is needed still */
	assert_null(conn.lost);
	conn.out.sent = 300;
	assert_ptr_equal(rpc_find(&conn, write.xid), &write);
	/* Not so what was never sent, or on another connection: nobody can answer that. */
	fly(&first, NFS_GETATTR, 400);
	assert_null(rpc_find(&conn, first.xid));
	assert_non_null(conn.lost);
	conn.lost = NULL;
	first.went_out = RPC_OUT_ELSEWHERE;
	assert_null(rpc_find(&conn, first.xid));
	assert_non_null(conn.lost);
}

static void test_connect_error(void **state)
{
	struct sockaddr_in *a = (struct sockaddr_in *)&client.nfs.addrs.addr[0];

	a->sin_family = AF_INET;
	a->sin_port = htons(2049);
	a->sin_addr.s_addr = htonl(INADDR_ALLHOSTS_GROUP); /* no TCP to there */
	client.nfs.addrs.nr = 1;
	client.nfs.fixed = true;
	rpc_conn_start(&conn);
	assert_int_equal(conn.fd, -1);
	assert_string_equal(conn.lost, strerror(ENETUNREACH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queued_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connect_error, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
