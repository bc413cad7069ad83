/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Functions that come and go: made, plugged, taken by the host, unplugged, removed; found again by
 * other processes; ports shared; records that are not what they should be.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devemu/vdev.h"
#include "rig.h"

#define PORTS 3
#define NOWHERE "0000:00:00.0"

/* The second manager's hosts are on sockets. */
static const char board[] =
	"{\"managers\": [{\"VIRTIO_FS_EMULATION_NUM_PF\": 1,"
	"\"PCI_SWITCH_EMULATION_ENABLE\": 1, \"PCI_SWITCH_EMULATION_NUM_PORT\": 4,"
	"\"functions\": [{\"transport\": \"loop\"}], \"hotplug\": {\"transport\": \"loop\"}},"
	"{\"VIRTIO_FS_EMULATION_NUM_PF\": 0,"
	"\"hotplug\": {\"transport\": \"vfio-user\", \"dir\": \"%s\"}}]}";

static char state_dir[] = "/tmp/softdpu-hotplug-XXXXXX";

struct hp {
	struct doca_pe *pe;
	struct doca_dev *mgr;
	struct doca_devemu_pci_type *type;
	struct doca_devemu_vfs_type *vfs_type;
	struct doca_dev_rep *rep;
	struct doca_devemu_vfs_dev *dev;
	struct doca_devemu_pci_dev *pci;
	struct doca_ctx *ctx;
	unsigned int events;
	struct loop_driver host;
};

static void hp_idle(void *arg)
{
	doca_pe_progress(((struct hp *)arg)->pe);
}

static void hp_settle(struct hp *hp)
{
	for (int i = 0; i < 1000; i++)
		hp_idle(hp);
}

static void hp_open_manager(struct hp *hp, unsigned int manager)
{
	struct doca_devinfo **list;
	uint32_t cnt;

	memset(hp, 0, sizeof(*hp));
	OK(doca_pe_create(&hp->pe));
	OK(doca_devinfo_create_list(&list, &cnt));
	OK(doca_dev_open(list[manager], &hp->mgr));
	OK(doca_devinfo_destroy_list(list));
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(hp->mgr, &hp->vfs_type));
	hp->type = doca_devemu_vfs_type_as_pci_type(hp->vfs_type);
}

static void hp_open(struct hp *hp)
{
	hp_open_manager(hp, 0);
}

static void hp_close(struct hp *hp)
{
	OK(doca_dev_close(hp->mgr));
	OK(doca_pe_destroy(hp->pe));
}

static void on_plug(struct doca_devemu_pci_dev *pci, union doca_data data)
{
	struct hp *hp = data.ptr;
	enum doca_devemu_pci_hotplug_state state;

	OK(doca_devemu_pci_dev_get_hotplug_state(pci, &state));
	hp->events++;
}

static void hp_make_device(struct hp *hp)
{
	const char tag[DOCA_VFS_TAG_SIZE] = "tag";

	OK(doca_devemu_vfs_dev_create(hp->vfs_type, hp->rep, hp->pe, &hp->dev));
	hp->pci = doca_devemu_vfs_dev_as_pci_dev(hp->dev);
	hp->ctx = doca_devemu_vfs_dev_as_ctx(hp->dev);
	OK(doca_devemu_vfs_dev_set_tag(hp->dev, tag));
}

static void hp_start(struct hp *hp)
{
	const union doca_data self = { .ptr = hp };

	OK(doca_ctx_start(hp->ctx));
	/* programs do it as late as this */
	OK(doca_devemu_pci_dev_event_hotplug_state_change_register(hp->pci, on_plug, self));
}

static void hp_destroy_device(struct hp *hp)
{
	OK(doca_ctx_stop(hp->ctx));
	OK(doca_devemu_vfs_dev_destroy(hp->dev));
}

static void hp_vuid(struct doca_dev_rep *rep, char vuid[128])
{
	OK(doca_devinfo_rep_get_vuid(doca_dev_rep_as_devinfo(rep), vuid, 128));
}

static int hp_host_comes(struct hp *hp)
{
	char vuid[128];

	hp_vuid(hp->rep, vuid);
	return loop_open(&hp->host, vuid, 1 << 20, hp_idle, hp);
}

static uint32_t hp_count(struct hp *hp)
{
	struct doca_devinfo_rep **list;
	uint32_t cnt;

	OK(doca_devemu_pci_type_create_rep_list(hp->type, &list, &cnt));
	assert_null(list[cnt]);
	OK(doca_devinfo_rep_destroy_list(list));
	return cnt;
}

static void assert_state(struct hp *hp, enum doca_devemu_pci_hotplug_state want,
			 unsigned int events)
{
	enum doca_devemu_pci_hotplug_state state;

	hp_settle(hp);
	OK(doca_devemu_pci_rep_get_hotplug_state(hp->rep, &state));
	assert_int_equal(state, want);
	assert_int_equal(hp->events, events);
}
#define STATE(hp, name, events) assert_state(hp, DOCA_DEVEMU_PCI_HP_STATE_##name, events)

static void assert_addr(struct hp *hp, const char *want)
{
	char addr[DOCA_DEVINFO_REP_PCI_ADDR_SIZE];

	OK(doca_devinfo_rep_get_pci_addr_str(doca_dev_rep_as_devinfo(hp->rep), addr));
	if (want)
		assert_string_equal(addr, want);
	else
		assert_string_not_equal(addr, NOWHERE);
}

/* ---- one function ---- */

static void test_life(void **state)
{
	struct hp hp;
	uint32_t most;
	uint8_t yes;

	hp_open(&hp);
	OK(doca_devemu_pci_cap_get_max_hotplug_devices(doca_dev_as_devinfo(hp.mgr), &most));
	assert_int_equal(most, PORTS);
	OK(doca_devemu_pci_cap_type_is_hotplug_supported(doca_dev_as_devinfo(hp.mgr), hp.type,
							 &yes));
	assert_int_equal(yes, 1);
	assert_int_equal(hp_count(&hp), 1);
	OK(doca_devemu_pci_type_create_rep(hp.type, &hp.rep));
	assert_int_equal(hp_count(&hp), 2);
	OK(doca_devinfo_rep_get_is_hotplug(doca_dev_rep_as_devinfo(hp.rep), &yes));
	assert_int_equal(yes, 1);
	assert_addr(&hp, NOWHERE);
	STATE(&hp, POWER_OFF, 0);

	hp_make_device(&hp);
	hp_start(&hp);
	STATE(&hp, POWER_OFF, 0);
	assert_int_equal(hp_host_comes(&hp), -ENOENT);
	ERR(BAD_STATE, doca_devemu_pci_dev_hotunplug(hp.pci));
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	STATE(&hp, PLUG_IN_PROGRESS, 0);
	ERR(BAD_STATE, doca_devemu_pci_dev_hotplug(hp.pci));
	assert_addr(&hp, NOWHERE);
	assert_int_equal(hp_host_comes(&hp), 0);
	STATE(&hp, POWER_ON, 1);
	assert_addr(&hp, NULL);
	ERR(NOT_PERMITTED, doca_devemu_pci_type_destroy_rep(hp.rep));

	OK(doca_devemu_pci_dev_hotunplug(hp.pci));
	STATE(&hp, UNPLUG_IN_PROGRESS, 1);
	ERR(BAD_STATE, doca_devemu_pci_dev_hotunplug(hp.pci));
	loop_close(&hp.host);
	STATE(&hp, POWER_OFF, 2);
	assert_int_equal(hp_host_comes(&hp), -ENOENT);

	/* and once more, given up before anybody came */
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	OK(doca_devemu_pci_dev_hotunplug(hp.pci));
	STATE(&hp, POWER_OFF, 3);
	hp_destroy_device(&hp);
	OK(doca_devemu_pci_dev_destroy_rep(hp.rep));
	assert_int_equal(hp_count(&hp), 1);
	hp_close(&hp);
}

static void test_host_leaves(void **state)
{
	struct hp hp;

	hp_open(&hp);
	OK(doca_devemu_pci_dev_create_rep(hp.type, &hp.rep));
	hp_make_device(&hp);
	hp_start(&hp);
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	assert_int_equal(hp_host_comes(&hp), 0);
	STATE(&hp, POWER_ON, 1);
	loop_close(&hp.host);
	STATE(&hp, POWER_OFF, 2);
	assert_int_equal(hp_host_comes(&hp), -ENOENT); /* the slot is shut */
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	assert_int_equal(hp_host_comes(&hp), 0);
	STATE(&hp, POWER_ON, 3);
	loop_close(&hp.host);
	/* at once: the slot has to be shut before it opens again */
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	assert_int_equal(hp_host_comes(&hp), 0);
	STATE(&hp, POWER_ON, 5);
	loop_close(&hp.host);
	STATE(&hp, POWER_OFF, 6);
	hp_destroy_device(&hp);
	OK(doca_devemu_pci_type_destroy_rep(hp.rep));
	hp_close(&hp);
}

/* Identity is open until the host may have seen it. */
static void test_setters(void **state)
{
	enum doca_devemu_pci_hotplug_state plug;
	uint16_t value;
	struct hp hp;

	hp_open(&hp);
	OK(doca_devemu_pci_type_create_rep(hp.type, &hp.rep));
	hp_make_device(&hp);
	ERR(BAD_STATE, doca_devemu_pci_dev_get_hotplug_state(hp.pci, &plug));
	ERR(BAD_STATE, doca_devemu_pci_dev_hotplug(hp.pci));
	OK(doca_devemu_pci_dev_set_num_msix(hp.pci, 5));
	OK(doca_devemu_pci_dev_set_subsystem_id(hp.pci, 0x1234));
	ERR(INVALID_VALUE, doca_devemu_pci_dev_set_num_msix(hp.pci, 2049));
	OK(doca_devemu_pci_dev_get_num_msix(hp.pci, &value));
	assert_int_equal(value, 5);
	hp_start(&hp);
	ERR(BAD_STATE, doca_devemu_pci_dev_set_num_msix(hp.pci, 6));
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	OK(doca_ctx_stop(hp.ctx));
	ERR(NOT_PERMITTED, doca_devemu_pci_dev_set_num_msix(hp.pci, 6));
	hp_start(&hp);
	OK(doca_devemu_pci_dev_hotunplug(hp.pci));
	OK(doca_ctx_stop(hp.ctx));
	OK(doca_devemu_pci_dev_set_num_msix(hp.pci, 6));
	OK(doca_devemu_vfs_dev_destroy(hp.dev));
	OK(doca_devemu_pci_type_destroy_rep(hp.rep));
	hp_close(&hp);
}

/* Stopped and destroyed while plugged: the function stays, and another device takes it over. */
static void test_takeover(void **state)
{
	struct hp hp;

	hp_open(&hp);
	OK(doca_devemu_pci_type_create_rep(hp.type, &hp.rep));
	hp_make_device(&hp);
	hp_start(&hp);
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	assert_int_equal(hp_host_comes(&hp), 0);
	STATE(&hp, POWER_ON, 1);
	OK(doca_ctx_stop(hp.ctx));
	STATE(&hp, POWER_ON, 1);
	OK(doca_devemu_vfs_dev_destroy(hp.dev));
	STATE(&hp, POWER_ON, 1);
	loop_close(&hp.host);
	STATE(&hp, POWER_ON, 1); /* nobody is there to notice */
	ERR(BAD_STATE, doca_devemu_pci_type_destroy_rep(hp.rep));

	hp_make_device(&hp);
	hp_start(&hp);
	assert_int_equal(hp_host_comes(&hp), 0);
	STATE(&hp, POWER_ON, 1);
	OK(doca_devemu_pci_dev_hotunplug(hp.pci));
	loop_close(&hp.host);
	STATE(&hp, POWER_OFF, 2);
	hp_destroy_device(&hp);
	OK(doca_devemu_pci_type_destroy_rep(hp.rep));
	hp_close(&hp);
}

/* ---- a host on a socket ---- */

/* Takes the function and keeps it until it is cut off. */
static void *stubborn_host(void *arg)
{
	static const struct {
		uint16_t id, cmd;
		uint32_t size, flags, error;
		uint16_t major, minor;
	} version = { .id = 1, .cmd = 1, .size = sizeof(version), .minor = 1 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char buf[4096];

	strcpy(addr.sun_path, arg);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    send(fd, &version, sizeof(version), MSG_NOSIGNAL) == sizeof(version))
		while (recv(fd, buf, sizeof(buf), 0) > 0)
			;
	close(fd);
	return NULL;
}

static void hp_until(struct hp *hp, enum doca_devemu_pci_hotplug_state want)
{
	enum doca_devemu_pci_hotplug_state state;
	uint64_t end = rig_now() + 30000000000ull;

	do {
		hp_idle(hp);
		OK(doca_devemu_pci_dev_get_hotplug_state(hp->pci, &state));
		assert_true(rig_now() < end);
	} while (state != want);
}

/* Asked and not listening, a host loses the function all the same, and in bounded time. */
static void test_cut_off(void **state)
{
	const uint64_t patience = 100000000;
	char path[108];
	pthread_t host;
	uint64_t begin;
	struct hp hp;

	hp_open_manager(&hp, 1);
	OK(doca_devemu_pci_type_create_rep(hp.type, &hp.rep));
	OK(softdpu_rep_get_socket_path(hp.rep, path, sizeof(path)));
	hp_make_device(&hp);
	hp.pci->unplug_ns = patience;
	hp_start(&hp);
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	assert_int_equal(pthread_create(&host, NULL, stubborn_host, path), 0);
	hp_until(&hp, DOCA_DEVEMU_PCI_HP_STATE_POWER_ON);
	begin = rig_now();
	OK(doca_devemu_pci_dev_hotunplug(hp.pci));
	hp_until(&hp, DOCA_DEVEMU_PCI_HP_STATE_POWER_OFF);
	assert_true(rig_now() - begin >= patience);
	assert_int_equal(access(path, F_OK), -1);
	pthread_join(host, NULL);
	STATE(&hp, POWER_OFF, 2);
	hp_destroy_device(&hp);
	OK(doca_devemu_pci_type_destroy_rep(hp.rep));
	hp_close(&hp);
}

/* ---- several ---- */

static void test_ports(void **state)
{
	struct doca_dev_rep *rep[PORTS], *more, *again;
	struct doca_devinfo_rep **list;
	char vuid[PORTS][128];
	struct hp hp;
	uint32_t cnt;

	hp_open(&hp);
	for (unsigned int i = 0; i < PORTS; i++) {
		OK(doca_devemu_pci_type_create_rep(hp.type, &rep[i]));
		hp_vuid(rep[i], vuid[i]);
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(vuid[i], vuid[j]);
	}
	ERR(FULL, doca_devemu_pci_type_create_rep(hp.type, &more));
	/* A list and a second representor outlive the function. */
	OK(doca_devinfo_rep_create_list(hp.mgr, DOCA_DEVINFO_REP_FILTER_ALL, &list, &cnt));
	assert_int_equal(cnt, 1 + PORTS);
	OK(doca_dev_rep_open(list[2], &again));
	OK(doca_devemu_pci_type_destroy_rep(rep[1]));
	assert_int_equal(hp_count(&hp), PORTS);
	hp_vuid(again, vuid[0]);
	assert_string_equal(vuid[0], vuid[1]);
	ERR(NOT_FOUND, doca_devemu_pci_type_destroy_rep(again));
	ERR(NOT_FOUND, doca_devemu_vfs_dev_create(hp.vfs_type, again, hp.pe, &hp.dev));
	OK(doca_devinfo_rep_destroy_list(list));
	OK(doca_devemu_pci_type_create_rep(hp.type, &rep[1]));
	ERR(NOT_FOUND, doca_devemu_pci_type_destroy_rep(again)); /* that is another function */
	OK(doca_dev_rep_close(again));
	for (unsigned int i = 0; i < PORTS; i++)
		OK(doca_devemu_pci_type_destroy_rep(rep[i]));
	hp_close(&hp);
}

/* Functions of other types are not in a type's list, nor for its devices. */
static void test_types(void **state)
{
	struct doca_devemu_pci_type *other;
	struct doca_devinfo_rep **list;
	struct doca_dev_rep *rep;
	struct hp hp;
	uint32_t cnt;
	char vuid[128];

	hp_open(&hp);
	OK(doca_devemu_pci_type_create("virtio-fs", &other)); /* not the library's all the same */
	OK(doca_devemu_pci_type_set_dev(other, hp.mgr));
	ERR(BAD_STATE, doca_devemu_pci_type_create_rep(other, &rep));
	OK(doca_devemu_pci_type_start(other));
	OK(doca_devemu_pci_type_create_rep(other, &rep));
	hp_vuid(rep, vuid);
	assert_non_null(strstr(vuid, "PCIS1D0F0"));
	assert_int_equal(hp_count(&hp), 1);
	OK(doca_devemu_pci_type_create_rep_list(other, &list, &cnt));
	assert_int_equal(cnt, 1);
	OK(doca_devinfo_rep_destroy_list(list));
	ERR(INVALID_VALUE, doca_devemu_vfs_dev_create(hp.vfs_type, rep, hp.pe, &hp.dev));
	OK(doca_devemu_pci_type_destroy_rep(rep));
	OK(doca_devemu_pci_type_stop(other));
	OK(doca_devemu_pci_type_destroy(other));
	hp_close(&hp);
}

/* ---- other processes ---- */

/* Runs fn in a process that ends without a good-bye; its status must be 0. */
static pid_t in_child(void (*fn)(int fd), int fd)
{
	pid_t pid = fork();

	if (!pid) {
		fn(fd);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void child_plugs(int fd)
{
	struct hp hp;

	hp_open(&hp);
	OK(doca_devemu_pci_type_create_rep(hp.type, &hp.rep));
	hp_make_device(&hp);
	hp_start(&hp);
	OK(doca_devemu_pci_dev_hotplug(hp.pci));
	assert_int_equal(hp_host_comes(&hp), 0);
	STATE(&hp, POWER_ON, 1);
}

/* The process that plugged it dies; another one finds it, and unplugs it. */
static void test_outlives_process(void **state)
{
	struct doca_devinfo_rep **list;
	struct hp hp;
	uint32_t cnt;

	reap(in_child(child_plugs, -1));
	hp_open(&hp);
	OK(doca_devemu_pci_type_create_rep_list(hp.type, &list, &cnt));
	assert_int_equal(cnt, 2);
	OK(doca_dev_rep_open(list[1], &hp.rep));
	OK(doca_devinfo_rep_destroy_list(list));
	STATE(&hp, POWER_ON, 0);
	assert_addr(&hp, NULL);
	hp_make_device(&hp);
	hp_start(&hp);
	assert_int_equal(hp_host_comes(&hp), 0);
	OK(doca_devemu_pci_dev_hotunplug(hp.pci));
	loop_close(&hp.host);
	STATE(&hp, POWER_OFF, 1);
	hp_destroy_device(&hp);
	OK(doca_devemu_pci_type_destroy_rep(hp.rep));
	hp_close(&hp);
}

static void child_serves(int fd)
{
	struct hp hp;
	char byte = 0;

	hp_open(&hp);
	OK(doca_devemu_pci_type_create_rep(hp.type, &hp.rep));
	hp_make_device(&hp);
	assert_int_equal(write(fd, &byte, 1), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
}

static void test_served_elsewhere(void **state)
{
	struct doca_devinfo_rep **list;
	int fd[2];
	struct hp hp;
	uint32_t cnt;
	char byte;
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	pid = in_child(child_serves, fd[1]);
	assert_int_equal(read(fd[0], &byte, 1), 1);
	hp_open(&hp);
	OK(doca_devemu_pci_type_create_rep_list(hp.type, &list, &cnt));
	assert_int_equal(cnt, 2);
	OK(doca_dev_rep_open(list[1], &hp.rep));
	OK(doca_devinfo_rep_destroy_list(list));
	ERR(IN_USE, doca_devemu_vfs_dev_create(hp.vfs_type, hp.rep, hp.pe, &hp.dev));
	ERR(NOT_PERMITTED, doca_devemu_pci_type_destroy_rep(hp.rep));
	assert_int_equal(write(fd[0], &byte, 1), 1);
	reap(pid);
	hp_make_device(&hp);
	OK(doca_devemu_vfs_dev_destroy(hp.dev));
	OK(doca_devemu_pci_type_destroy_rep(hp.rep));
	hp_close(&hp);
	close(fd[0]);
	close(fd[1]);
}

static void child_grabs(int fd)
{
	struct doca_dev_rep *rep;
	struct hp hp;

	hp_open(&hp);
	if (doca_devemu_pci_type_create_rep(hp.type, &rep) == DOCA_SUCCESS)
		assert_int_equal(write(fd, "x", 1), 1);
}

static void test_ports_are_shared(void **state)
{
	struct doca_devinfo_rep **list;
	struct doca_dev_rep *rep;
	pid_t pid[2 * PORTS];
	int pipe_fd[2];
	struct hp hp;
	uint32_t cnt;
	char got[8];

	assert_int_equal(pipe2(pipe_fd, O_NONBLOCK), 0);
	for (int i = 0; i < 2 * PORTS; i++)
		pid[i] = in_child(child_grabs, pipe_fd[1]);
	for (int i = 0; i < 2 * PORTS; i++)
		reap(pid[i]);
	assert_int_equal(read(pipe_fd[0], got, sizeof(got)), PORTS);
	hp_open(&hp);
	OK(doca_devemu_pci_type_create_rep_list(hp.type, &list, &cnt));
	assert_int_equal(cnt, 1 + PORTS);
	for (uint32_t i = 1; i < cnt; i++) {
		OK(doca_dev_rep_open(list[i], &rep));
		OK(doca_devemu_pci_type_destroy_rep(rep));
	}
	OK(doca_devinfo_rep_destroy_list(list));
	hp_close(&hp);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* ---- hostile records ---- */

static const char *record_path(unsigned int port)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/SD000003000.%u.json", state_dir, port);
	return path;
}

static void put_record(const char *text, size_t len)
{
	int fd = open(record_path(1), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

#define RECORD(vuid, type, transport, socket, state, mapped, birth) \
	"{\"vuid\": " vuid ", \"manager\": \"mlx5_0\", \"type\": " type \
	", \"transport\": " transport ", \"socket\": " socket ", \"state\": " state \
	", \"doorbell_mapped\": " mapped \
	", \"birth\": " birth "}"
#define VUID "\"SD000003000VFSS1D0F0\""
#define LONG50 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void test_hostile_records(void **state)
{
	static const char *const refused[] = {
		"", "{", "[]", "null", "{}", "[[[[[[[[]]]]]]]]",
		RECORD("5", "\"virtio-fs\"", "\"loop\"", "\"\"", "\"POWER_ON\"", "false", "1"),
		RECORD("\"SD000003000VFSS2D0F0\"", "\"virtio-fs\"", "\"loop\"", "\"\"",
		       "\"POWER_ON\"", "false", "1"),
		RECORD("\"\"", "\"virtio-fs\"", "\"loop\"", "\"\"", "\"POWER_ON\"", "false", "1"),
		RECORD(VUID, "\"" LONG50 "\"", "\"loop\"", "\"\"", "\"POWER_ON\"", "false", "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"tcp\"", "\"/x\"", "\"POWER_ON\"", "false", "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"loop\"", "\"/x\"", "\"POWER_ON\"", "false", "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"vfio-user\"", "\"x\"", "\"POWER_ON\"", "false",
		       "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"vfio-user\"", "\"/\\n\"", "\"POWER_ON\"", "false",
		       "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"vfio-user\"", "\"/" LONG50 LONG50 LONG50 "\"",
		       "\"POWER_ON\"", "false", "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"loop\"", "\"\"", "\"ON\"", "false", "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"loop\"", "\"\"", "\"POWER_ON\"", "1", "1"),
		RECORD(VUID, "\"virtio-fs\"", "\"loop\"", "\"\"", "\"POWER_ON\"", "false", "-1"),
		RECORD(VUID, "\"virtio-fs\"", "\"loop\"", "\"\"", "\"POWER_ON\"", "false", "1")
		"{}",
	};
	static const char accepted[] =
		RECORD(VUID, "\"virtio-fs\"", "\"loop\"", "\"\"", "\"POWER_ON\"", "false", "1");
	struct doca_dev_rep *rep[PORTS], *more;
	static char big[8192];
	struct hp hp;

	hp_open(&hp);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		put_record(refused[i], strlen(refused[i]));
		if (hp_count(&hp) != 1)
			fail_msg("accepted: %s", refused[i]);
	}
	put_record(accepted, strlen(accepted)); /* they differ from this in one thing each */
	assert_int_equal(hp_count(&hp), 2);
	memset(big, ' ', sizeof(big));
	put_record(big, sizeof(big));
	assert_int_equal(hp_count(&hp), 1);
	/* Its port counts as taken, and nothing happens to the file. */
	OK(doca_devemu_pci_type_create_rep(hp.type, &rep[1]));
	OK(doca_devemu_pci_type_create_rep(hp.type, &rep[2]));
	ERR(FULL, doca_devemu_pci_type_create_rep(hp.type, &more));
	unlink(record_path(1));
	assert_int_equal(symlink("/etc/passwd", record_path(1)), 0);
	assert_int_equal(hp_count(&hp), PORTS);
	unlink(record_path(1));
	assert_int_equal(mkfifo(record_path(1), 0600), 0);
	assert_int_equal(hp_count(&hp), PORTS);
	unlink(record_path(1));
	assert_int_equal(mkdir(record_path(1), 0700), 0);
	assert_int_equal(hp_count(&hp), PORTS);
	assert_int_equal(rmdir(record_path(1)), 0);
	OK(doca_devemu_pci_type_create_rep(hp.type, &rep[0]));
	for (int i = 0; i < PORTS; i++)
		OK(doca_devemu_pci_type_destroy_rep(rep[i]));
	hp_close(&hp);
}

/* Whose directory can be written by everybody is not believed. */
static void test_hostile_directory(void **state)
{
	struct doca_dev_rep *rep;
	struct hp hp;

	hp_open(&hp);
	assert_int_equal(chmod(state_dir, 0777), 0);
	ERR(OPERATING_SYSTEM, doca_devemu_pci_type_create_rep(hp.type, &rep));
	assert_int_equal(hp_count(&hp), 1);
	assert_int_equal(chmod(state_dir, 0700), 0);
	OK(doca_devemu_pci_type_create_rep(hp.type, &rep));
	OK(doca_devemu_pci_type_destroy_rep(rep));
	hp_close(&hp);
}

/* The lock, and what is known of types; nothing else is left. */
static int remove_dir(void **state)
{
	struct dirent *e;
	DIR *dir = opendir(state_dir);
	int rc = 0;

	while (dir && (e = readdir(dir)))
		if (strstr(e->d_name, ".type") || !strcmp(e->d_name, "lock"))
			rc |= unlinkat(dirfd(dir), e->d_name, 0);
	closedir(dir);
	return rc | rmdir(state_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_host_leaves),
		cmocka_unit_test(test_setters),
		cmocka_unit_test(test_takeover),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_outlives_process),
		cmocka_unit_test(test_served_elsewhere),
		cmocka_unit_test(test_ports_are_shared),
		cmocka_unit_test(test_hostile_records),
		cmocka_unit_test(test_hostile_directory),
	};

	char text[sizeof(board) + sizeof(state_dir)];

	if (!mkdtemp(state_dir) || setenv("SOFTDPU_STATE_DIR", state_dir, 1))
		return 1;
	snprintf(text, sizeof(text), board, state_dir);
	if (softdpu_board_set(text) != DOCA_SUCCESS)
		return 1;
	return cmocka_run_group_tests_name("hotplug", tests, NULL, remove_dir);
}
