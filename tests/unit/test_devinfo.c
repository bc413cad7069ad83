/* SPDX-License-Identifier: BSD-3-Clause */
/* The board file, and discovery on top of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "core/board.h"
#include "doca_log.h"
#include "softdpu_ext.h"

#define assert_doca(call, expected) assert_int_equal((call), (expected))
#define assert_ok(call) assert_doca(call, DOCA_SUCCESS)

static const char two_managers[] =
	"{\"managers\": ["
	" {\"name\": \"mlx5_0\", \"pci_addr\": \"0000:03:00.0\","
	"  \"VIRTIO_FS_EMULATION_NUM_PF\": 10, \"VIRTIO_FS_EMULATION_NUM_MSIX\": 18,"
	"  \"PCI_SWITCH_EMULATION_ENABLE\": true, \"PCI_SWITCH_EMULATION_NUM_PORT\": 4,"
	"  \"functions\": [{\"transport\": \"loop\"}, {\"socket\": \"/tmp/a.sock\","
	"   \"transport\": \"vfio-user\", \"doorbell\": \"mapped\"}],"
	"  \"hotplug\": {\"transport\": \"loop\"}},"
	" {\"pci_addr\": \"0A:1f.7\", \"functions\": [{}], \"PCI_SWITCH_EMULATION_ENABLE\": 0}"
	"]}";

/* What the library logged since the last call. */

static int log_fd;

static const char *logged(void)
{
	static char text[4096];
	ssize_t len = pread(log_fd, text, sizeof(text) - 1, 0);

	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static void forget_log(void)
{
	assert_int_equal(ftruncate(log_fd, 0), 0);
	assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
}

static void assert_refused(const char *json, const char *message)
{
	struct board *board = NULL;

	forget_log();
	if (board_parse(json, "board.json", &board) != DOCA_ERROR_INVALID_VALUE || board)
		fail_msg("accepted: %s", json);
	if (!strstr(logged(), message) || !strstr(logged(), "board.json"))
		fail_msg("%s\n logged: %s\n wanted: %s", json, logged(), message);
}

static void assert_accepted(const char *json)
{
	struct board *board;

	assert_ok(board_parse(json, "board.json", &board));
	board_free(board);
}

#define MANAGER(keys) "{\"managers\": [{" keys "}]}"

static const struct {
	const char *json, *message;
} refused_boards[] = {
	{ "", "line 1: " },
	{ "{\n\"managers\":\n oops}", "line 3: " },
	{ "{\"managers\": [{}]} x", "line 1: " },
	{ "null", "must be an object" },
	{ "[]", "must be an object" },
	{ "[[[[[[[[[[[]]]]]]]]]]]", "line 1: nesting too deep" },
	{ "{}", "managers: must be an array of 1 to 16" },
	{ "{\"managers\": []}", "managers: must be an array of 1 to 16" },
	{ "{\"managers\": {}}", "managers: must be an array of 1 to 16" },
	{ "{\"managers\": [{}], \"mangers\": 1}", "mangers: unknown key" },
	{ "{\"managers\": [{}, 5]}", "managers[1]: must be an object" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUMPF\": 1"),
	  "managers[0].VIRTIO_FS_EMULATION_NUMPF: unknown key" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_ENABLE\": 2"),
	  "managers[0].VIRTIO_FS_EMULATION_ENABLE = 2: must be a number from 0 to 1" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_PF\": 129"), "NUM_PF = 129: must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_PF\": -1"), "NUM_PF = -1: must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_PF\": \"2\""), "NUM_PF = \"2\": must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_PF\": 1.5"), "NUM_PF = 1.5: must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_PF\": null"), "NUM_PF = null: must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_PF\": 99999999999999999999"), "must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_MSIX\": 0"), "NUM_MSIX = 0: must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_VF\": 1"), "NUM_VF = 1: must be" },
	{ MANAGER("\"PCI_SWITCH_EMULATION_NUM_PORT\": 1"), "NUM_PORT = 1: must be 0 or" },
	{ MANAGER("\"PCI_SWITCH_EMULATION_NUM_PORT\": 33"), "NUM_PORT = 33: must be" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_SUBSYSTEM_ID\": 65536"), "must be a number from 0 to 65535" },
	{ MANAGER("\"hotplug\": []"), "managers[0].hotplug: must be an object" },
	{ MANAGER("\"hotplug\": {\"x\": 1}"), "managers[0].hotplug.x: unknown key" },
	{ MANAGER("\"hotplug\": {\"transport\": \"tcp\"}"),
	  "managers[0].hotplug.transport = \"tcp\": must be vhost-user, vfio-user or loop" },
	{ MANAGER("\"functions\": [{\"doorbell\": true}]"),
	  "functions[0].doorbell = true: must be \"message\" or \"mapped\"" },
	{ MANAGER("\"name\": \"\""), "managers[0].name: must have 1 to 63" },
	{ MANAGER("\"name\": 5"), "managers[0].name: must be a string" },
	{ MANAGER("\"name\": \"a\\u0000b\""), "managers[0].name: holds a control" },
	{ MANAGER("\"pci_addr\": \"03:00\""), "pci_addr = \"03:00\": must look like" },
	{ MANAGER("\"pci_addr\": \"0000:03:20.0\""), "must look like" },
	{ MANAGER("\"functions\": {}"), "managers[0].functions: must be an array" },
	{ MANAGER("\"functions\": [5]"), "managers[0].functions[0]: must be an object" },
	{ MANAGER("\"functions\": [{}, {\"sokcet\": \"x\"}]"),
	  "managers[0].functions[1].sokcet: unknown key" },
	{ MANAGER("\"functions\": [{\"transport\": \"vfio\"}]"),
	  "functions[0].transport = \"vfio\": must be vhost-user, vfio-user or loop" },
	{ MANAGER("\"functions\": [{\"transport\": \"loop\", \"socket\": \"x\"}]"),
	  "functions[0].socket: transport loop has no socket" },
	{ MANAGER("\"VIRTIO_FS_EMULATION_NUM_PF\": 1, \"functions\": [{}, {}]"),
	  "describes 2 functions, VIRTIO_FS_EMULATION_NUM_PF allows 1" },
	{ MANAGER("\"functions\": [{\"socket\": \"/s\"}, {\"socket\": \"/s\"}]"),
	  "functions[1] have the same socket /s" },
	{ "{\"managers\": [{\"name\": \"a\"}, {\"name\": \"a\"}]}",
	  "managers[0] and managers[1] have the same name" },
	{ "{\"managers\": [{\"pci_addr\": \"04:00.0\"}, {}]}",
	  "managers[0] and managers[1] have the same pci_addr" },
	{ "{\"managers\": [{\"functions\": [{\"socket\": \"/s\"}]},"
	  "{\"functions\": [{\"socket\": \"/s\"}]}]}",
	  "managers[0].functions[0] and managers[1].functions[0] have the same socket" },
};

static void test_refused_boards(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refused_boards); i++)
		assert_refused(refused_boards[i].json, refused_boards[i].message);
}

static void test_long_values(void **state)
{
	char json[400], filler[200];

	memset(filler, 'x', sizeof(filler));
	filler[0] = '/';
	snprintf(json, sizeof(json), MANAGER("\"functions\": [{\"socket\": \"%.107s\"}]"), filler);
	assert_accepted(json);
	snprintf(json, sizeof(json), MANAGER("\"functions\": [{\"socket\": \"%.108s\"}]"), filler);
	assert_refused(json, "functions[0].socket: must have 1 to 107 characters, has 108");
	snprintf(json, sizeof(json), MANAGER("\"name\": \"%.64s\""), filler);
	assert_refused(json, "name: must have 1 to 63 characters, has 64");

	filler[sizeof(filler) - 1] = '\0';
	setenv("XDG_RUNTIME_DIR", filler, 1);
	assert_refused("{\"managers\": [{}]}", "give each function a \"socket\"");
	unsetenv("XDG_RUNTIME_DIR");
}

static void test_built_in_board(void **state)
{
	const struct doca_devinfo *info;
	struct board *board;

	setenv("XDG_RUNTIME_DIR", "/xdg", 1);
	assert_ok(board_parse(NULL, "built-in", &board));
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(board->nr_managers, 1);
	info = &board->managers[0];
	assert_string_equal(info->ibdev_name, "mlx5_0");
	assert_string_equal(info->pci_addr, "0000:03:00.0");
	assert_true(info->vfs_enabled);
	assert_int_equal(info->num_msix, 34);
	assert_int_equal(info->num_hotplug_ports, 1);
	assert_int_equal(info->subsystem_vendor_id, 0x1af4);
	assert_int_equal(info->subsystem_id, 0x105a);
	assert_string_equal(info->hotplug.transport, "vfio-user");
	assert_int_equal(info->nr_functions, 2);
	assert_string_equal(info->functions[0].transport, "vhost-user");
	assert_string_equal(info->functions[0].socket_path, "/xdg/softdpu/pf0.sock");
	assert_string_equal(info->functions[1].socket_path, "/xdg/softdpu/pf1.sock");
	board_free(board);

	setenv("XDG_RUNTIME_DIR", "relative", 1);
	assert_ok(board_parse(NULL, "built-in", &board));
	unsetenv("XDG_RUNTIME_DIR");
	assert_string_equal(board->managers[0].functions[1].socket_path, "/run/softdpu/pf1.sock");
	board_free(board);
}

static void test_full_board(void **state)
{
	const struct doca_devinfo *info;
	struct board *board;

	assert_ok(board_parse(two_managers, "board.json", &board));
	assert_int_equal(board->nr_managers, 2);
	info = &board->managers[0];
	assert_int_equal(info->num_msix, 18);
	assert_int_equal(info->num_hotplug_ports, 3);
	assert_int_equal(info->nr_functions, 10);
	assert_string_equal(info->functions[0].transport, "loop");
	assert_string_equal(info->functions[0].socket_path, "");
	assert_string_equal(info->functions[1].socket_path, "/tmp/a.sock");
	assert_string_equal(info->functions[1].transport, "vfio-user");
	assert_true(info->functions[1].doorbell_mapped && !info->functions[2].doorbell_mapped);
	assert_string_equal(info->hotplug.transport, "loop");
	assert_string_equal(info->functions[9].vuid, "SD000003000VFSS0D1F1");
	assert_string_equal(info->functions[9].pci_addr, "0000:80:01.1");
	info = &board->managers[1];
	assert_string_equal(info->ibdev_name, "mlx5_1");
	assert_string_equal(info->pci_addr, "0000:0a:1f.7");
	assert_int_equal(info->nr_functions, 1); /* as many as are described */
	assert_string_equal(info->functions[0].socket_path, "/run/softdpu/mlx5_1-pf0.sock");
	board_free(board);

	forget_log();
	assert_ok(board_parse(MANAGER("\"VIRTIO_FS_EMULATION_ENABLE\": 0"), "board.json", &board));
	assert_int_equal(board->managers[0].nr_functions, 0);
	assert_non_null(strstr(logged(), "VIRTIO_FS_EMULATION_ENABLE is 0"));
	board_free(board);
}

/* The example of the manual page is a board. */
static void test_manual_example(void **state)
{
	static char text[16384];
	char *begin, *end;
	FILE *page = fopen(BOARD_MAN, "r");

	assert_non_null(page);
	text[fread(text, 1, sizeof(text) - 1, page)] = '\0';
	fclose(page);
	begin = strstr(text, ".Bd -literal");
	end = begin ? strstr(begin, "\n.Ed") : NULL;
	assert_non_null(end);
	*end = '\0';
	assert_accepted(strchr(begin, '{'));
}

/* From here on the process has a board: two_managers. */

static void test_set_once(void **state)
{
	struct doca_devinfo **list;
	uint32_t cnt;

	assert_doca(softdpu_board_set(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(softdpu_board_set("{}"), DOCA_ERROR_INVALID_VALUE);
	assert_ok(softdpu_board_set("{\"managers\": [{}]}"));
	assert_ok(softdpu_board_set(two_managers)); /* not in use yet: replaced */
	assert_doca(doca_devinfo_create_list(NULL, &cnt), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_devinfo_create_list(&list, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_devinfo_create_list(&list, &cnt));
	assert_int_equal(cnt, 2);
	assert_null(list[2]);
	assert_doca(softdpu_board_set(two_managers), DOCA_ERROR_BAD_STATE);
	assert_ok(doca_devinfo_destroy_list(list));
	assert_doca(doca_devinfo_destroy_list(NULL), DOCA_ERROR_INVALID_VALUE);
}

struct devices {
	struct doca_devinfo **list;
	uint32_t cnt;
	struct doca_dev *dev;
	struct doca_devinfo_rep **reps;
	uint32_t nr_reps;
};

static void open_first(struct devices *d)
{
	assert_ok(doca_devinfo_create_list(&d->list, &d->cnt));
	assert_ok(doca_dev_open(d->list[0], &d->dev));
	assert_ok(doca_devinfo_rep_create_list(d->dev, DOCA_DEVINFO_REP_FILTER_EMULATED, &d->reps,
					       &d->nr_reps));
}

static void close_all(struct devices *d)
{
	assert_ok(doca_devinfo_rep_destroy_list(d->reps));
	assert_ok(doca_dev_close(d->dev));
	assert_ok(doca_devinfo_destroy_list(d->list));
}

static void test_device_properties(void **state)
{
	char name[DOCA_DEVINFO_IBDEV_NAME_SIZE], pci[DOCA_DEVINFO_PCI_ADDR_SIZE], iface[256];
	enum doca_pci_func_type type;
	uint8_t flag, addr[16];
	struct devices d;
	uint16_t a, b;
	uint64_t rate;
	uint32_t index;

	open_first(&d);
	assert_ok(doca_devinfo_get_ibdev_name(d.list[0], name, sizeof(name)));
	assert_string_equal(name, "mlx5_0");
	assert_doca(doca_devinfo_get_ibdev_name(d.list[0], name, sizeof(name) - 1),
		    DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_devinfo_get_ibdev_name(NULL, name, sizeof(name)),
		    DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_devinfo_get_pci_addr_str(d.list[1], pci));
	assert_string_equal(pci, "0000:0a:1f.7");
	assert_ok(doca_devinfo_get_vhca_id(d.list[0], &a));
	assert_ok(doca_devinfo_get_vhca_id(d.list[1], &b));
	assert_int_not_equal(a, b);
	assert_ok(doca_devinfo_get_pci_func_type(d.list[0], &type));
	assert_int_equal(type, DOCA_PCI_FUNC_TYPE_PF);
	assert_ok(doca_devinfo_cap_is_hotplug_manager_supported(d.list[0], &flag));
	assert_int_equal(flag, 1);
	assert_ok(doca_devinfo_cap_is_hotplug_manager_supported(d.list[1], &flag));
	assert_int_equal(flag, 0);
	assert_doca(doca_devinfo_cap_is_hotplug_manager_supported(NULL, &flag),
		    DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_devinfo_rep_cap_is_filter_all_supported(d.list[0], &flag));
	assert_int_equal(flag, 1);
	assert_ok(doca_devinfo_rep_cap_is_filter_net_supported(d.list[0], &flag));
	assert_int_equal(flag, 0);
	assert_ok(doca_devinfo_rep_cap_is_filter_emulated_supported(d.list[0], &flag));
	assert_int_equal(flag, 1);
	assert_ok(doca_dev_accelerate_resource_reclaim(d.dev));

	assert_doca(doca_devinfo_get_ipv4_addr(d.list[0], addr, 4), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_get_ipv4_addr(d.list[0], addr, 3), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_devinfo_get_ipv6_addr(d.list[0], addr, 16), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_get_mac_addr(d.list[0], addr, 6), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_get_iface_name(d.list[0], iface, 256), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_get_iface_name(d.list[0], iface, 255), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_devinfo_get_lid(d.list[0], &a), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_get_active_rate(d.list[0], &rate), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_get_sf_index(d.list[0], &index), DOCA_ERROR_NOT_SUPPORTED);
	close_all(&d);
}

static void test_equal_pci_addr(void **state)
{
	static const struct {
		const char *text;
		int answer; /* -1: malformed */
	} cases[] = {
		{ "0000:03:00.0", 1 }, { "03:00.0", 1 }, { "0001:03:00.0", 0 }, { "03:00.1", 0 },
		{ "0000:03:1f.7", 0 }, { "", -1 }, { "03:00", -1 }, { "03:00.8", -1 },
		{ "03:20.0", -1 }, { "0000:03:00.00", -1 }, { "000:03:00.0", -1 },
		{ "0000-03:00.0", -1 }, { "0000:03-00.0", -1 }, { "0000:03:00-0", -1 },
		{ "000g:03:00.0", -1 }, { " 3:00.0", -1 }, { "0x:00.0", -1 }, { "+3:00.0", -1 },
		{ "0000:03:00.0 ", -1 },
	};
	struct devices d;
	uint8_t equal;
	size_t i;

	open_first(&d);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		equal = 7;
		assert_doca(doca_devinfo_is_equal_pci_addr(d.list[0], cases[i].text, &equal),
			    cases[i].answer < 0 ? DOCA_ERROR_INVALID_VALUE : DOCA_SUCCESS);
		assert_int_equal(equal, cases[i].answer < 0 ? 7 : cases[i].answer);
	}
	assert_ok(doca_devinfo_is_equal_pci_addr(d.list[1], "0A:1F.7", &equal));
	assert_int_equal(equal, 1);
	assert_ok(doca_devinfo_rep_is_equal_pci_addr(d.reps[9], "0000:80:01.1", &equal));
	assert_int_equal(equal, 1);
	assert_doca(doca_devinfo_is_equal_pci_addr(d.list[0], NULL, &equal),
		    DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_devinfo_is_equal_pci_addr(NULL, "03:00.0", &equal),
		    DOCA_ERROR_INVALID_VALUE);
	close_all(&d);
}

static void test_representors(void **state)
{
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE], again[DOCA_DEVINFO_REP_VUID_SIZE], pci[13];
	enum doca_pci_func_type type;
	struct doca_devinfo_rep **list;
	uint16_t a, b;
	struct devices d;
	uint32_t cnt;
	uint8_t flag;

	open_first(&d);
	assert_int_equal(d.nr_reps, 10);
	assert_null(d.reps[10]);
	assert_ok(doca_devinfo_rep_create_list(d.dev, DOCA_DEVINFO_REP_FILTER_ALL, &list, &cnt));
	assert_int_equal(cnt, 10);
	assert_ok(doca_devinfo_rep_get_vuid(d.reps[3], vuid, sizeof(vuid)));
	assert_ok(doca_devinfo_rep_get_vuid(list[3], again, sizeof(again)));
	assert_string_equal(vuid, again);
	assert_ok(doca_devinfo_rep_get_vuid(list[4], again, (uint32_t)strlen(vuid) + 1));
	assert_string_not_equal(vuid, again);
	assert_doca(doca_devinfo_rep_get_vuid(list[4], again, (uint32_t)strlen(vuid)),
		    DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_devinfo_rep_destroy_list(list));
	assert_doca(doca_devinfo_rep_destroy_list(NULL), DOCA_ERROR_INVALID_VALUE);

	assert_doca(doca_devinfo_rep_create_list(d.dev, DOCA_DEVINFO_REP_FILTER_NET, &list, &cnt),
		    DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_rep_create_list(d.dev, 1, &list, &cnt), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_rep_create_list(NULL, 0, &list, &cnt), DOCA_ERROR_INVALID_VALUE);

	assert_ok(doca_devinfo_rep_get_pci_addr_str(d.reps[0], pci));
	assert_string_equal(pci, "0000:80:00.0");
	assert_ok(doca_devinfo_rep_get_pci_func_type(d.reps[0], &type));
	assert_int_equal(type, DOCA_PCI_FUNC_TYPE_PF);
	assert_ok(doca_devinfo_rep_get_is_hotplug(d.reps[0], &flag));
	assert_int_equal(flag, 0);
	assert_ok(doca_devinfo_rep_get_vhca_id(d.reps[0], &a));
	assert_ok(doca_devinfo_rep_get_vhca_id(d.reps[1], &b));
	assert_int_not_equal(a, b);
	assert_doca(doca_devinfo_rep_get_iface_name(d.reps[0], vuid, 256),
		    DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_devinfo_rep_get_vuid(NULL, vuid, 128), DOCA_ERROR_INVALID_VALUE);
	close_all(&d);
}

static void test_open_counts(void **state)
{
	struct doca_dev *again;
	struct devices d;

	open_first(&d);
	assert_doca(doca_dev_open(NULL, &again), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dev_close(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_dev_open(d.list[0], &again));
	assert_ptr_equal(again, d.dev);
	assert_ptr_equal(doca_dev_as_devinfo(again), d.list[0]);
	assert_null(doca_dev_as_devinfo(NULL));
	assert_ok(doca_devinfo_destroy_list(d.list)); /* the open device does not mind */
	assert_ok(doca_dev_close(again));
	assert_ok(doca_devinfo_rep_destroy_list(d.reps));
	assert_ok(doca_dev_close(d.dev));
}

static void test_rep_open(void **state)
{
	struct doca_dev_rep *a, *b;
	struct devices d;
	char path[12];

	open_first(&d);
	assert_doca(doca_dev_rep_open(NULL, &a), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dev_rep_close(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_dev_rep_open(d.reps[0], &a));
	assert_ok(doca_dev_rep_open(d.reps[0], &b)); /* several holders of one function */
	assert_ptr_equal(dev_rep_function(a), dev_rep_function(b));
	assert_ptr_equal(doca_dev_rep_as_devinfo(a)->fn, d.reps[0]->fn);
	assert_null(doca_dev_rep_as_devinfo(NULL));
	assert_doca(softdpu_rep_get_socket_path(a, path, sizeof(path)), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_dev_rep_close(b));
	assert_ok(doca_dev_rep_open(d.reps[1], &b));
	assert_ok(softdpu_rep_get_socket_path(b, path, sizeof(path)));
	assert_string_equal(path, "/tmp/a.sock");
	assert_doca(softdpu_rep_get_socket_path(b, path, sizeof(path) - 1),
		    DOCA_ERROR_INVALID_VALUE);
	dev_rep_get(a);
	assert_doca(doca_dev_rep_close(a), DOCA_ERROR_IN_USE);
	assert_ok(doca_dev_rep_close(b));
	dev_rep_put(a);
	assert_doca(doca_dev_close(d.dev), DOCA_ERROR_IN_USE); /* a is open */
	assert_ok(doca_dev_rep_close(a));
	assert_ok(doca_dev_close(d.dev));
	assert_doca(doca_dev_rep_open(d.reps[0], &a), DOCA_ERROR_BAD_STATE); /* manager closed */
	assert_ok(doca_devinfo_rep_destroy_list(d.reps));
	assert_ok(doca_devinfo_destroy_list(d.list));
}

static void *open_and_close(void *arg)
{
	struct doca_dev_rep *rep;
	struct devices d;
	int i;

	for (i = 0; i < 500; i++) {
		open_first(&d);
		assert_ok(doca_dev_rep_open(d.reps[1], &rep));
		assert_ok(doca_dev_rep_close(rep));
		close_all(&d);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, open_and_close, NULL), 0);
	open_and_close(NULL);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* $SOFTDPU_BOARD, in a process of its own each: a board is loaded once. */

static int list_in_child(void)
{
	struct doca_devinfo **list;
	int status;
	uint32_t cnt;
	pid_t pid = fork();

	if (!pid) {
		doca_error_t ret = doca_devinfo_create_list(&list, &cnt);

		if (ret != doca_devinfo_create_list(&list, &cnt))
			_exit(99); /* another answer the second time */
		_exit(ret == DOCA_SUCCESS ? 100 + (int)cnt : (int)ret);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_board_file(void **state)
{
	char path[] = "/tmp/softdpu-board-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	setenv("SOFTDPU_BOARD", path, 1);
	assert_int_equal(write(fd, two_managers, strlen(two_managers)), strlen(two_managers));
	assert_int_equal(list_in_child(), 102);
	assert_int_equal(ftruncate(fd, 10), 0);
	assert_int_equal(list_in_child(), DOCA_ERROR_INVALID_VALUE);
	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(list_in_child(), DOCA_ERROR_INVALID_VALUE);
	unlink(path);
	close(fd);
	assert_int_equal(list_in_child(), DOCA_ERROR_IO_FAILED);
	setenv("SOFTDPU_BOARD", "/tmp", 1);
	assert_int_equal(list_in_child(), DOCA_ERROR_IO_FAILED);
	unsetenv("SOFTDPU_BOARD");
}

static int capture_log(void **state)
{
	struct doca_log_backend *backend;

	unsetenv("XDG_RUNTIME_DIR");
	setenv("SOFTDPU_STATE_DIR", "/nonexistent", 1); /* no hot-plug functions of this machine */
	log_fd = memfd_create("log", MFD_CLOEXEC);
	return doca_log_backend_create_with_fd_sdk(log_fd, &backend) == DOCA_SUCCESS ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_boards),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_built_in_board),
		cmocka_unit_test(test_full_board),
		cmocka_unit_test(test_manual_example),
		cmocka_unit_test(test_board_file),
		cmocka_unit_test(test_set_once),
		cmocka_unit_test(test_device_properties),
		cmocka_unit_test(test_equal_pci_addr),
		cmocka_unit_test(test_representors),
		cmocka_unit_test(test_open_counts),
		cmocka_unit_test(test_rep_open),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, capture_log, NULL);
}
