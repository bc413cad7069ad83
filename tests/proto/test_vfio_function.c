/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCIe function as a driver finds it over vfio-user: identity, capabilities, registers, drivers
 * that take steps in the wrong order or write what they should not.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define FAR (1ull << 60)

static uint32_t config(struct vufe_dev *dev, uint64_t off, unsigned bytes)
{
	int err = 0;
	uint32_t v = vfuc_config(dev, off, bytes, &err);

	if (err)
		fail_msg("config 0x%lx: %s", (unsigned long)off, dev->err);
	return v;
}

static void config_set(struct vufe_dev *dev, uint64_t off, uint32_t v, unsigned bytes)
{
	assert_return_code(vfuc_write(dev, CONFIG, off, &v, bytes), 0);
}

static uint32_t common(struct vufe_dev *dev, uint32_t off, unsigned bytes)
{
	int err = 0;
	uint32_t v = vfuc_get(dev, VFUC_CAP_COMMON, off, bytes, &err);

	if (err)
		fail_msg("common %u: %s", off, dev->err);
	return v;
}

static void common_set(struct vufe_dev *dev, uint32_t off, uint32_t v, unsigned bytes)
{
	int err = 0;

	vfuc_set(dev, VFUC_CAP_COMMON, off, v, bytes, &err);
	if (err)
		fail_msg("common %u: %s", off, dev->err);
}

/* A function whose registers can be used, its driver not begun. */
static void open_function(struct vufe_dev *dev)
{
	struct vufe_opts o = harness_opts();

	connect_good(dev, &o);
	assert_return_code(vfuc_version(dev), 0);
	assert_return_code(vfuc_info(dev), 0);
	assert_return_code(vfuc_find_caps(dev), 0);
	assert_return_code(vfuc_assign_bars(dev), 0);
	assert_return_code(vfuc_pci_enable(dev), 0);
	assert_return_code(vufe_mem_create(dev), 0);
	assert_return_code(vufe_mem_send(dev), 0);
	assert_return_code(vfuc_virtio_reset(dev), 0);
}

/* The driver starts over after whatever a test did, and is served. */
static void assert_mends(struct vufe_dev *dev)
{
	assert_alive();
	assert_return_code(vfuc_virtio_begin(dev), 0);
	assert_return_code(vufe_vqs_create(dev), 0);
	if (vufe_vqs_start(dev))
		fail_msg("start: %s", dev->err);
	harness_new_mount();
	assert_pings(dev, 1);
	vufe_close(dev);
}

static void test_identity(void **state)
{
	struct vufe_dev dev;

	open_function(&dev);
	assert_true(dev.vfu.flags & VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(dev.vfu.region[CONFIG].size, 4096);
	assert_int_equal(dev.vfu.region[VFIO_PCI_ROM_REGION_INDEX].size, 0);
	assert_int_equal(config(&dev, PCI_VENDOR_ID, 2), VFUC_VENDOR);
	assert_int_equal(config(&dev, PCI_DEVICE_ID, 2), VFUC_DEVICE_FS);
	assert_true(config(&dev, PCI_REVISION_ID, 1) >= 1);
	assert_int_equal(config(&dev, PCI_HEADER_TYPE, 1), 0);
	assert_true(config(&dev, PCI_CLASS_DEVICE, 2) != 0);
	assert_int_equal(config(&dev, PCI_CAPABILITY_LIST, 1) & 3, 0);
	assert_true(dev.vfu.pos_pcie && dev.vfu.pos_msix && dev.vfu.pos_pm);
	assert_true(config(&dev, dev.vfu.pos_pcie + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
	assert_int_equal((config(&dev, dev.vfu.pos_msix + PCI_MSIX_FLAGS, 2) &
			  PCI_MSIX_FLAGS_QSIZE) + 1, dev.vfu.irq[VFIO_PCI_MSIX_IRQ_INDEX].b);
	assert_true(dev.vfu.cap[VFUC_CAP_PCI].present);
	assert_true(dev.vfu.cap[VFUC_CAP_COMMON].length >= 64);
	assert_true(dev.vfu.irq[VFIO_PCI_MSIX_IRQ_INDEX].flags & VFIO_IRQ_INFO_EVENTFD);
	assert_mends(&dev);
}

static void test_features(void **state)
{
	const uint64_t must = VUFE_F_VERSION_1 | VUFE_F_INDIRECT | VUFE_F_EVENT_IDX | 1ull << 40;
	struct vufe_dev dev;
	uint32_t i;

	open_function(&dev);
	assert_return_code(vfuc_virtio_begin(&dev), 0);
	assert_int_equal(dev.offered & must, must);
	/* PROTOCOL_FEATURES is vhost-user's own; there is no packed ring. */
	assert_int_equal(dev.offered & (VUFE_F_PROTOCOL | VUFE_F_PACKED), 0);
	/* Words beyond the second read as none. */
	for (i = 2; i < 5; i++) {
		common_set(&dev, VFUC_DEVICE_FEATURE_SELECT, i, 4);
		assert_int_equal(common(&dev, VFUC_DEVICE_FEATURE, 4), 0);
	}
	/* What the driver took can be read back, and not changed after FEATURES_OK. */
	common_set(&dev, VFUC_DRIVER_FEATURE_SELECT, 0, 4);
	assert_int_equal(common(&dev, VFUC_DRIVER_FEATURE, 4), (uint32_t)dev.features);
	common_set(&dev, VFUC_DRIVER_FEATURE, 0, 4);
	assert_int_equal(common(&dev, VFUC_DRIVER_FEATURE, 4), (uint32_t)dev.features);
	assert_mends(&dev);
}

/* Features that cannot work together with the device do not become OK. */
static void test_features_refused(void **state)
{
	static const uint64_t bad[] = {0, VUFE_F_INDIRECT, VUFE_F_VERSION_1 | 1ull << 34,
				       UINT64_MAX, VUFE_F_VERSION_1 | 1};
	struct vufe_dev dev;
	uint8_t status;
	unsigned i, w;

	open_function(&dev);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_return_code(vfuc_virtio_reset(&dev), 0);
		assert_return_code(vfuc_add_status(&dev, VFUC_S_ACKNOWLEDGE | VFUC_S_DRIVER), 0);
		for (w = 0; w < 2; w++) {
			common_set(&dev, VFUC_DRIVER_FEATURE_SELECT, w, 4);
			common_set(&dev, VFUC_DRIVER_FEATURE, (uint32_t)(bad[i] >> (32 * w)), 4);
		}
		assert_return_code(vfuc_add_status(&dev, VFUC_S_FEATURES_OK), 0);
		assert_return_code(vfuc_get_status(&dev, &status), 0);
		if (status & VFUC_S_FEATURES_OK)
			fail_msg("features 0x%lx are OK", (unsigned long)bad[i]);
	}
	assert_mends(&dev);
}

/* Every register in every width. A read of more bytes is the reads of fewer, where nothing changes. */
static void test_widths(void **state)
{
	static uint8_t whole[4096];
	struct vufe_dev dev;
	uint32_t off, v;

	open_function(&dev);
	for (off = 0; off < sizeof(whole); off += 256)
		assert_return_code(vfuc_read(&dev, CONFIG, off, whole + off, 256), 0);
	for (off = 0; off < 256; off++) {
		unsigned n;

		for (n = 1; n <= 4; n *= 2) {
			v = config(&dev, off, n);
			if (memcmp(&v, whole + off, n))
				fail_msg("config 0x%x: %u bytes read otherwise", off, n);
		}
	}
	for (off = 0; off < 64; off++) {
		v = common(&dev, off, 1);
		v = common(&dev, off & ~1u, 2);
		v = common(&dev, off & ~3u, 4);
	}
	assert_mends(&dev);
}

/* The registers of a BAR through the window in configuration space. */
static void test_window(void **state)
{
	const struct vfuc_cap *c;
	struct vufe_dev dev;
	uint32_t direct;

	open_function(&dev);
	c = &dev.vfu.cap[VFUC_CAP_COMMON];
	direct = common(&dev, VFUC_NUM_QUEUES, 2);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 4u, c->bar, 1);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 8u, c->offset + VFUC_NUM_QUEUES, 4);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 12u, 2, 4);
	assert_int_equal(config(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 16u, 2), direct);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 8u, c->offset + VFUC_STATUS, 4);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 12u, 1, 4);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 16u, VFUC_S_ACKNOWLEDGE, 1);
	assert_int_equal(common(&dev, VFUC_STATUS, 1), VFUC_S_ACKNOWLEDGE);
	/* A window to nowhere. */
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 4u, 5, 1);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 8u, UINT32_MAX, 4);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 12u, 4, 4);
	config(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 16u, 4);
	config_set(&dev, dev.vfu.cap[VFUC_CAP_PCI].pos + 16u, 7, 4);
	assert_mends(&dev);
}

static void test_status(void **state)
{
	struct vufe_dev dev;
	uint8_t status;

	open_function(&dev);
	assert_mends(&dev);
	open_function(&dev);
	assert_return_code(vfuc_virtio_begin(&dev), 0);
	assert_return_code(vfuc_get_status(&dev, &status), 0);
	assert_int_equal(status, VFUC_S_ACKNOWLEDGE | VFUC_S_DRIVER | VFUC_S_FEATURES_OK);
	assert_return_code(vfuc_add_status(&dev, VFUC_S_FAILED), 0);
	assert_return_code(vfuc_virtio_reset(&dev), 0);
	assert_return_code(vfuc_get_status(&dev, &status), 0);
	assert_int_equal(status, 0);
	/* The interrupt status is read and gone. */
	common_set(&dev, VFUC_CONFIG_VECTOR, 1, 2);
	assert_int_equal(common(&dev, VFUC_CONFIG_VECTOR, 2), 1);
	common_set(&dev, VFUC_CONFIG_VECTOR, 60000, 2);
	assert_int_equal(common(&dev, VFUC_CONFIG_VECTOR, 2), VFUC_NO_VECTOR);
	assert_mends(&dev);
}

/* ---- drivers that do it wrong ---- */

static void w_select_nothing(struct vufe_dev *dev)
{
	common_set(dev, VFUC_QUEUE_SELECT, 65535, 2);
	assert_int_equal(common(dev, VFUC_QUEUE_SIZE, 2), 0);
	common_set(dev, VFUC_QUEUE_SIZE, 64, 2);
	common_set(dev, VFUC_QUEUE_ENABLE, 1, 2);
	assert_int_equal(common(dev, VFUC_QUEUE_ENABLE, 2), 0);
}

static void w_ok_at_once(struct vufe_dev *dev)
{
	common_set(dev, VFUC_STATUS, 0xf, 1);
}

static void w_driver_ok_first(struct vufe_dev *dev)
{
	common_set(dev, VFUC_STATUS, VFUC_S_DRIVER_OK, 1);
}

static void w_all_status(struct vufe_dev *dev)
{
	common_set(dev, VFUC_STATUS, 0xff, 1);
}

static void enable(struct vufe_dev *dev, uint64_t at, uint32_t size)
{
	unsigned i;

	common_set(dev, VFUC_QUEUE_SELECT, 1, 2);
	common_set(dev, VFUC_QUEUE_SIZE, size, 2);
	for (i = 0; i < 3; i++) {
		common_set(dev, VFUC_QUEUE_DESC + 8 * i, (uint32_t)at, 4);
		common_set(dev, VFUC_QUEUE_DESC + 8 * i + 4, (uint32_t)(at >> 32), 4);
	}
	common_set(dev, VFUC_QUEUE_ENABLE, 1, 2);
}

static void w_enable_first(struct vufe_dev *dev)
{
	enable(dev, dev->region[0].gpa, 64);
}

static void begin(struct vufe_dev *dev)
{
	assert_return_code(vfuc_virtio_begin(dev), 0);
}

static void w_rings_nowhere(struct vufe_dev *dev)
{
	begin(dev);
	enable(dev, FAR, 64);
	vfuc_add_status(dev, VFUC_S_DRIVER_OK);
}

static void w_rings_wrap(struct vufe_dev *dev)
{
	begin(dev);
	enable(dev, -64ull, 64);
	vfuc_add_status(dev, VFUC_S_DRIVER_OK);
}

static void w_rings_leave(struct vufe_dev *dev)
{
	begin(dev);
	enable(dev, dev->region[0].gpa + dev->region[0].size - 64, 64);
	vfuc_add_status(dev, VFUC_S_DRIVER_OK);
}

static void w_rings_odd(struct vufe_dev *dev)
{
	begin(dev);
	enable(dev, dev->region[0].gpa + 1, 64);
	vfuc_add_status(dev, VFUC_S_DRIVER_OK);
}

static void w_sizes(struct vufe_dev *dev)
{
	static const uint32_t bad[] = {0, 3, 1000, 32768, 65535};
	unsigned i;

	begin(dev);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		enable(dev, dev->region[0].gpa, bad[i]);
	vfuc_add_status(dev, VFUC_S_DRIVER_OK);
}

static void w_enable_twice(struct vufe_dev *dev)
{
	begin(dev);
	enable(dev, dev->region[0].gpa, 64);
	enable(dev, dev->region[0].gpa, 64);
	common_set(dev, VFUC_QUEUE_ENABLE, 0, 2);
	common_set(dev, VFUC_QUEUE_ENABLE, 7, 2);
}

static void w_change_enabled(struct vufe_dev *dev)
{
	begin(dev);
	enable(dev, dev->region[0].gpa, 64);
	vfuc_add_status(dev, VFUC_S_DRIVER_OK);
	common_set(dev, VFUC_QUEUE_SIZE, 8, 2);
	common_set(dev, VFUC_QUEUE_DESC, 0, 4);
	common_set(dev, VFUC_QUEUE_DEVICE + 4, 0xffff, 4);
}

static void w_enable_late(struct vufe_dev *dev)
{
	begin(dev);
	vfuc_add_status(dev, VFUC_S_DRIVER_OK);
	enable(dev, dev->region[0].gpa, 64);
}

static void w_reset_queue_early(struct vufe_dev *dev)
{
	common_set(dev, VFUC_QUEUE_SELECT, 1, 2);
	common_set(dev, VFUC_QUEUE_RESET, 1, 2);
	begin(dev);
	common_set(dev, VFUC_QUEUE_RESET, 1, 2);
	common_set(dev, VFUC_QUEUE_RESET, 0, 2);
	common_set(dev, VFUC_QUEUE_RESET, 0xffff, 2);
}

static void w_kick_nothing(struct vufe_dev *dev)
{
	const struct vfuc_cap *c = &dev->vfu.cap[VFUC_CAP_NOTIFY];
	uint32_t off, v = 1;

	for (off = 0; off + 2 <= c->length && off < 4096; off += 2)
		vfuc_post(dev, c->bar, c->offset + off, &v, 2);
	for (off = 0; off + 4 <= c->length && off < 4096; off += 4)
		vfuc_post(dev, c->bar, c->offset + off, &v, 4);
}

static void w_read_only(struct vufe_dev *dev)
{
	uint32_t off;

	for (off = 0; off < 64; off += 4)
		if (off != VFUC_STATUS)
			common_set(dev, off, UINT32_MAX, 4);
	config_set(dev, PCI_VENDOR_ID, 0, 4);
	config_set(dev, PCI_CLASS_REVISION, 0, 4);
	config_set(dev, PCI_CAPABILITY_LIST, 0xff, 1);
	config_set(dev, dev->vfu.pos_pcie, 0, 2);
	assert_int_equal(config(dev, PCI_VENDOR_ID, 2), VFUC_VENDOR);
}

static void w_power_off(struct vufe_dev *dev)
{
	config_set(dev, dev->vfu.pos_pm + PCI_PM_CTRL, 3, 2);
	config_set(dev, dev->vfu.pos_pm + PCI_PM_CTRL, 0, 2);
	assert_return_code(vfuc_assign_bars(dev), 0);
	assert_return_code(vfuc_pci_enable(dev), 0);
}

static void w_no_decoding(struct vufe_dev *dev)
{
	config_set(dev, PCI_COMMAND, 0, 2);
	common(dev, VFUC_STATUS, 1);
	assert_return_code(vfuc_pci_enable(dev), 0);
}

static void w_msix_table(struct vufe_dev *dev)
{
	uint32_t where = config(dev, dev->vfu.pos_msix + PCI_MSIX_TABLE, 4), v = UINT32_MAX, i;
	uint32_t n = dev->vfu.irq[VFIO_PCI_MSIX_IRQ_INDEX].b;

	for (i = 0; i < n * 16; i += 4)
		assert_return_code(vfuc_write(dev, where & PCI_MSIX_TABLE_BIR,
					      (where & PCI_MSIX_TABLE_OFFSET) + i, &v, 4), 0);
}

static const struct wrong_row {
	const char *name;
	void (*drive)(struct vufe_dev *dev);
} wrong[] = {
	{"a queue there is not", w_select_nothing},
	{"all of the status at once", w_ok_at_once},
	{"DRIVER_OK first", w_driver_ok_first},
	{"every bit of the status", w_all_status},
	{"a queue before the features", w_enable_first},
	{"rings outside memory", w_rings_nowhere},
	{"rings that wrap", w_rings_wrap},
	{"rings that run out of memory", w_rings_leave},
	{"rings at odd addresses", w_rings_odd},
	{"sizes that are none", w_sizes},
	{"a queue enabled twice", w_enable_twice},
	{"an enabled queue changed", w_change_enabled},
	{"a queue after DRIVER_OK", w_enable_late},
	{"reset of a queue that does not run", w_reset_queue_early},
	{"doorbells of nothing", w_kick_nothing},
	{"read-only registers", w_read_only},
	{"power off and on", w_power_off},
	{"no memory decoding", w_no_decoding},
	{"the table of MSI-X", w_msix_table},
};

static void run_wrong(void **state)
{
	const struct wrong_row *row = *state;
	struct vufe_dev dev;

	open_function(&dev);
	row->drive(&dev);
	assert_mends(&dev);
	assert_serves();
}

/* Writes at places and of values that a fixed generator gives, everywhere. */
static void test_random_writes(void **state)
{
	uint64_t rng = 88172645463325252ull;
	struct vufe_dev dev;
	unsigned i;

	for (i = 0; i < 5; i++) {
		unsigned k;

		open_function(&dev);
		for (k = 0; k < 2000; k++) {
			uint32_t region, len, v;
			uint64_t off;

			rng ^= rng << 13;
			rng ^= rng >> 7;
			rng ^= rng << 17;
			region = rng % 8;
			if (!dev.vfu.region[region].size)
				continue;
			off = (rng >> 8) % dev.vfu.region[region].size;
			len = 1u << (rng >> 56) % 3;
			v = (uint32_t)(rng >> 24) & (rng & 64 ? UINT32_MAX : 0xff);
			if (off + len <= dev.vfu.region[region].size)
				vfuc_post(&dev, region, off, &v, len);
		}
		vufe_close(&dev);
		assert_alive();
	}
	assert_serves();
}

/* ---- interrupts, writes in bulk, memory by message ---- */

static bool signalled(int fd)
{
	uint64_t v;

	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5000) == 1 &&
	       read(fd, &v, sizeof(v)) == sizeof(v);
}

/* The host interrupts itself through the device. */
static void test_trigger(void **state)
{
	const uint32_t now = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t set = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	static const unsigned kinds[] = {VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_INTX_IRQ_INDEX,
					 VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX};
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct vufe_dev dev;
	unsigned i;

	open_function(&dev);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!dev.vfu.irq[kinds[i]].b)
			continue;
		assert_return_code(vfuc_set_irqs(&dev, kinds[i], set, 0, 1, &fd, 1), 0);
		assert_return_code(vfuc_set_irqs(&dev, kinds[i], now, 0, 1, NULL, 0), 0);
		if (!signalled(fd))
			fail_msg("interrupt %u does not come", kinds[i]);
		assert_return_code(vfuc_set_irqs(&dev, kinds[i], now, 0, 0, NULL, 0), 0);
		vfuc_set_irqs(&dev, kinds[i], now, 0, 1, NULL, 0);
		assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 50), 0);
	}
	close(fd);
	assert_mends(&dev);
}

/* QEMU changes interrupts while requests run. */
static void test_irqs_again(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int i;

	open_good(&dev, &o);
	for (i = 0; i < 20; i++) {
		assert_return_code(vfuc_set_irqs(&dev, VFIO_PCI_MSIX_IRQ_INDEX,
						 VFIO_IRQ_SET_DATA_NONE |
						 VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, NULL, 0), 0);
		assert_return_code(vfuc_irqs_setup(&dev), 0);
		assert_pings(&dev, 1);
	}
	vufe_close(&dev);
}

static void test_write_multi(void **state)
{
	struct {
		uint64_t nr;
		struct vfuc_one_write w[2];
	} m = {.nr = 2};
	const struct vfuc_cap *c;
	struct vufe_dev dev;
	uint64_t re;
	size_t len;

	open_function(&dev);
	if (!dev.vfu.write_multi) {
		vufe_close(&dev);
		skip();
	}
	c = &dev.vfu.cap[VFUC_CAP_COMMON];
	m.w[0] = (struct vfuc_one_write){c->offset + VFUC_QUEUE_SELECT, c->bar, 2, 1};
	m.w[1] = (struct vfuc_one_write){c->offset + VFUC_QUEUE_SIZE, c->bar, 2, 16};
	assert_return_code(vfuc_virtio_begin(&dev), 0);
	assert_return_code(vfuc_ask(&dev, VFUC_REGION_WRITE_MULTI, &m, sizeof(m), NULL, 0, &re,
				    sizeof(re), &len), 0);
	assert_int_equal(common(&dev, VFUC_QUEUE_SELECT, 2), 1);
	assert_int_equal(common(&dev, VFUC_QUEUE_SIZE, 2), 16);
	assert_mends(&dev);
}

/* No descriptor of the memory is given away: all of it goes by DMA_READ and DMA_WRITE. */
static void test_private_memory(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	int i;

	o.private_mem = true;
	open_good(&dev, &o);
	for (i = 0; i < 70; i++)
		assert_pings(&dev, 1);
	assert_true(dev.vfu.nr_dma_reads > 0);
	assert_true(dev.vfu.nr_dma_writes > 0);
	vufe_close(&dev);
	assert_serves();
}

/* Memory the device may only read: an answer into it breaks the queue, and never arrives. */
static void test_read_only_memory(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_seg seg[2] = {{.len = 56}, {.gpa = FAR, .len = 256}};
	struct fuse_in_header *h;
	struct vufe_dev dev;
	struct vufe_fs fs;
	uint8_t *mem, zero[256] = {0};
	int fd, head;

	open_good(&dev, &o);
	assert_return_code(vufe_fs_init(&fs, &dev), 0);
	fd = memfd_create("ro", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_return_code(ftruncate(fd, 4096), errno);
	mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_return_code(vfuc_dma_map(&dev, FAR, 4096, fd, 0, VFUC_DMA_READABLE), 0);
	close(fd);
	h = vufe_alloc(&dev, 4096, 4096, &seg[0].gpa);
	assert_non_null(h);
	vufe_fill_header(&fs, h, FUSE_GETATTR, FUSE_ROOT_ID, 16);
	head = vufe_vq_build(&dev.vq[1], seg, 1, 1);
	assert_true(head >= 0);
	vufe_vq_post(&dev.vq[1], (uint16_t)head);
	assert_return_code(vufe_vq_publish(&dev.vq[1]), 0);
	assert_int_equal(vufe_vq_is_broken(&dev.vq[1], 5000), 1);
	assert_memory_equal(mem, zero, sizeof(zero));
	munmap(mem, 4096);
	vufe_close(&dev);
	assert_serves();
}

/* Nobody is told of a request: the device looks at its rings by itself, and sleeps at no time. */
static void test_mapped_doorbells(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	unsigned i;

	o.nr_queues = 3;
	o.kick = VUFE_KICK_MAPPED;
	open_good(&dev, &o);
	assert_non_null(dev.vfu.doorbells);
	for (i = 0; i < 50; i++) {
		assert_pings(&dev, 1 + i % 3);
		if (i % 10 == 0)
			usleep(20000); /* long enough for a thread to fall asleep */
	}
	/* Memory the device shares cannot be taken from under it. */
	for (i = 0; i < VFUC_NR_REGIONS; i++)
		if (dev.vfu.region[i].fd >= 0)
			assert_int_equal(ftruncate(dev.vfu.region[i].fd, 0), -1);
	vufe_close(&dev);
	/* The same registers by message. */
	o.kick = VUFE_KICK_MESSAGE;
	open_good(&dev, &o);
	assert_pings(&dev, 1);
	o.kick = VUFE_KICK_AUTO;
	vufe_close(&dev);
	assert_serves();
}

/* By queue_reset one queue starts over while the others go on. */
static void test_queue_reset(void **state)
{
	struct vufe_opts o = harness_opts();
	struct vufe_dev dev;
	uint16_t base;
	int i;

	o.nr_queues = 2;
	open_good(&dev, &o);
	for (i = 0; i < 10; i++) {
		assert_pings(&dev, 1);
		assert_pings(&dev, 2);
		assert_return_code(vufe_vq_stop(&dev.vq[1], &base), 0);
		assert_int_equal(base, 0);
		assert_pings(&dev, 2);
		assert_return_code(vufe_vq_start(&dev.vq[1]), 0);
	}
	assert_pings(&dev, 1);
	vufe_close(&dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_features_refused),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_random_writes),
		cmocka_unit_test(test_trigger),
		cmocka_unit_test(test_irqs_again),
		cmocka_unit_test(test_write_multi),
		cmocka_unit_test(test_private_memory),
		cmocka_unit_test(test_read_only_memory),
		cmocka_unit_test(test_queue_reset),
	};
	const struct CMUnitTest mapped[] = {
		cmocka_unit_test(test_mapped_doorbells),
		cmocka_unit_test(test_random_writes),
	};
	int r;

	harness_need_server();
	r = cmocka_run_group_tests_name("the function", tests, harness_setup, harness_teardown);
	r += RUN_ROWS("drivers that do it wrong", wrong, run_wrong);
	/* Doorbells nobody is told of, in front of memory nobody can look at, are not for use. */
	if (!getenv("DOCA_VIRTIOFS") || getenv("VUFE_PRIVATE"))
		return r;
	harness_use_mapped_doorbells();
	r += cmocka_run_group_tests_name("mapped doorbells", mapped, harness_setup,
					 harness_teardown);
	return r;
}
