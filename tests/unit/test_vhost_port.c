/* SPDX-License-Identifier: BSD-3-Clause */
/* Who comes to the port of a vhost-user device, when, and where its socket is. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "transport/vhost_user/vhost_user.h"
#include "vhost_fe.h"

static void test_one_front_end(void **state)
{
	struct fe *e = *state;
	int first, other;
	char c;

	fe_start(e);
	other = fe_dial(e->fn.socket_path);
	assert_true(fake_pe_run(&e->pe));
	assert_int_equal(recv(other, &c, 1, MSG_DONTWAIT), 0);
	close(other);
	assert_int_equal(fe_ask(e, VUFE_GET_QUEUE_NUM), FAKE_QUEUES);
	/* hang up and come back before the engine looked: not turned away */
	first = e->sock;
	close(first);
	fe_start(e);
	assert_int_equal(e->dev.disconnects, 1);
	assert_int_equal(e->dev.queue[1].starts, 2);
	/* the engine cannot watch it: that one is lost, the next is served */
	close(e->sock);
	assert_true(fake_pe_run(&e->pe));
	e->pe.fail_add = -ENOSPC;
	fe_connect(e);
	assert_true(fe_closed(e));
	close(e->sock);
	fe_connect(e);
	fe_negotiate(e);
}

/* Who knocks or asks has not taken the function; who leaves is noticed once the device let go. */
static void test_arrival(void **state)
{
	struct fe *e = *state;

	fe_connect(e);
	fe_ask(e, VUFE_GET_FEATURES);
	assert_int_equal(e->pci.arrivals, 0);
	close(e->sock);
	assert_true(fake_pe_run(&e->pe));
	assert_int_equal(e->pci.departures, 0);
	fe_start(e);
	assert_int_equal(e->pci.arrivals, 1);
	e->dev.defer = true;
	close(e->sock);
	assert_true(fake_pe_run(&e->pe));
	assert_int_equal(e->pci.departures, 0);
	fake_vdev_complete(&e->dev);
	assert_int_equal(e->pci.departures, 1);
}

/* Without a host, with an idle one, while an op is out, and while the device lets go already. */
static void test_unplug(void **state)
{
	struct fe *e = *state;
	struct vufe_vring_state st = {1, 0};

	vhost_user_transport.unplug(e->port, false);
	assert_int_equal(e->pci.departures, 1);
	assert_int_equal(fe_dial(e->fn.socket_path), -1);
	assert_int_equal(vhost_user_transport.plug(e->port), 0);
	fe_start(e);
	vhost_user_transport.unplug(e->port, false);
	assert_int_equal(e->pci.departures, 2);
	assert_true(fe_closed(e));
	close(e->sock);

	assert_int_equal(vhost_user_transport.plug(e->port), 0);
	fe_start(e);
	e->dev.defer = true;
	fe_post(e, VUFE_GET_VRING_BASE, 0, &st, sizeof(st), NULL, 0);
	assert_true(fake_pe_run(&e->pe));
	vhost_user_transport.unplug(e->port, true);
	assert_true(fe_closed(e));
	assert_int_equal(e->pci.departures, 2);
	fake_vdev_complete(&e->dev); /* the message */
	assert_int_equal(e->pci.departures, 2);
	fake_vdev_complete(&e->dev); /* the disconnect */
	assert_int_equal(e->pci.departures, 3);
	close(e->sock);

	e->dev.defer = false;
	assert_int_equal(vhost_user_transport.plug(e->port), 0);
	fe_start(e);
	e->dev.defer = true;
	close(e->sock);
	assert_true(fake_pe_run(&e->pe));
	vhost_user_transport.unplug(e->port, false);
	assert_int_equal(e->pci.departures, 3);
	fake_vdev_complete(&e->dev);
	assert_int_equal(e->pci.departures, 4);
	e->sock = -1;
}

/* The engine must not spin on a connection it has no descriptor for. */
static void test_out_of_descriptors(void **state)
{
	struct fe *e = *state;
	struct rlimit old, low;
	int held[64], nr = 0;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ARRAY_SIZE(held), old.rlim_max};
	e->sock = fe_dial(e->fn.socket_path);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (nr < (int)ARRAY_SIZE(held) && (held[nr] = dup(e->mem_fd)) >= 0)
		nr++;
	assert_true(fe_closed(e));
	while (nr)
		close(held[--nr]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	close(e->sock);
	fe_start(e);
}

static int open_at(struct fe *e, const char *path, void **port)
{
	struct function fn = {0};
	int rc;

	snprintf(fn.socket_path, sizeof(fn.socket_path), "%s", path);
	rc = vhost_user_transport.open(&e->pci, &fn, &e->pe, port);
	if (rc)
		return rc;
	rc = vhost_user_transport.plug(*port);
	if (rc)
		vhost_user_transport.close(*port);
	return rc;
}

static void test_socket_path(void **state)
{
	struct fe *e = *state;
	char path[100], missing[100];
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	void *port = NULL;
	int fd;

	assert_int_equal(stat(e->fn.socket_path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	assert_int_equal(open_at(e, e->fn.socket_path, &port), -EADDRINUSE);
	assert_int_equal(open_at(e, "", &port), -EINVAL);
	snprintf(missing, sizeof(missing), "%s/no/s", e->dir);
	assert_int_equal(open_at(e, missing, &port), -ENOENT);

	/* a file that is no socket stays */
	snprintf(path, sizeof(path), "%s/file", e->dir);
	close(open(path, O_CREAT | O_CLOEXEC, 0600));
	assert_int_equal(open_at(e, path, &port), -EEXIST);
	assert_int_equal(unlink(path), 0);

	/* somebody without our lock listens there */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(open_at(e, path, &port), -EADDRINUSE);
	/* and died */
	close(fd);
	assert_int_equal(open_at(e, path, &port), 0);
	fd = fe_dial(path);
	assert_true(fd >= 0);
	close(fd);
	/* our file was replaced: not ours to remove */
	assert_int_equal(unlink(path), 0);
	close(open(path, O_CREAT | O_CLOEXEC, 0600));
	vhost_user_transport.close(port);
	assert_int_equal(unlink(path), 0);
}

static void test_default_dir(void **state)
{
	struct fe *e = *state;
	char path[100], dir[80];
	void *port = NULL;

	snprintf(dir, sizeof(dir), "%s/softdpu", e->dir);
	snprintf(path, sizeof(path), "%s/pf0.sock", dir);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", e->dir, 1), 0);
	assert_int_equal(open_at(e, path, &port), 0);
	vhost_user_transport.close(port);
	assert_int_equal(rmdir(dir), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, fe_setup, fe_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_front_end), T(test_arrival), T(test_unplug),
		T(test_out_of_descriptors), T(test_socket_path), T(test_default_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
