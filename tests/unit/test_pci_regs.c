/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration space and BARs of a function, and function level reset from there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "../loop/regs.h"

#define CFG PCI_FUNC_REGION_CONFIG

static struct doca_devemu_vfs_req *held[4];
static unsigned int nr_held, nr_flrs, nr_resets;
static bool hold, answer_flr;

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	if (hold)
		held[nr_held++] = req;
	else
		doca_devemu_vfs_req_complete(req, sizeof(struct fuse_out_header));
}

static void complete_held(void)
{
	while (nr_held)
		doca_devemu_vfs_req_complete(held[--nr_held], sizeof(struct fuse_out_header));
}

static void handlers(struct doca_devemu_vfs_io *io)
{
	const union doca_data none = {0};

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
}

/* As a controller does: everything stops, and starts when it has stopped. */
static void restart(struct rig *rig)
{
	complete_held();
	ERR(IN_PROGRESS, doca_ctx_stop(rig->dev_ctx));
	ERR(IN_PROGRESS, doca_ctx_stop(rig->io[0].ctx));
}

static void restart_done(struct rig *rig)
{
	rig_until(rig, rig_state(rig->dev_ctx) == DOCA_CTX_STATE_IDLE);
	ERR(IN_PROGRESS, doca_ctx_start(rig->dev_ctx));
	OK(doca_ctx_start(rig->io[0].ctx));
	rig_until(rig, rig_state(rig->dev_ctx) == DOCA_CTX_STATE_RUNNING);
}

static void on_flr(struct rig *rig)
{
	nr_flrs++;
	if (answer_flr)
		restart(rig);
}

static void on_reset(struct rig *rig)
{
	nr_resets++;
}

static struct regs r;

static int setup_with(bool mapped)
{
	memset(&r, 0, sizeof(r));
	hold = false;
	answer_flr = true;
	nr_flrs = nr_resets = 0;
	r.mapped = mapped;
	r.rig.register_handlers = handlers;
	r.rig.on_flr = on_flr;
	r.rig.on_reset = on_reset;
	regs_start(&r);
	return 0;
}

static int setup(void **state)
{
	return setup_with(false);
}

static int setup_mapped(void **state)
{
	return setup_with(true);
}

static void finish_resets(void)
{
	struct doca_devemu_virtio_dev *dev = doca_devemu_vfs_dev_as_virtio_dev(r.rig.dev);

	complete_held();
	rig_settle(&r.rig);
	doca_devemu_virtio_dev_reset_complete(dev);
}

static int teardown(void **state)
{
	complete_held();
	pci_func_disconnected(r.func);
	rig_settle(&r.rig);
	finish_resets();
	regs_stop(&r);
	return 0;
}

static uint64_t cfg(uint64_t at, size_t len)
{
	return regs_read(&r, CFG, at, len);
}

static void set_cfg(uint64_t at, uint64_t value, size_t len)
{
	regs_write(&r, CFG, at, value, len);
}

/* ---- registers ---- */

static void test_header(void **state)
{
	assert_int_equal(cfg(PCI_VENDOR_ID, 4), 0x105a1af4);
	assert_int_equal(cfg(PCI_CLASS_REVISION, 4), 0x01800001);
	assert_int_equal(cfg(PCI_SUBSYSTEM_VENDOR_ID, 4), 0x105a1af4);
	assert_int_equal(cfg(PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(cfg(PCI_INTERRUPT_PIN, 1), 1);
	assert_int_equal(cfg(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	set_cfg(PCI_VENDOR_ID, 0, 4);
	assert_int_equal(cfg(PCI_VENDOR_ID, 4), 0x105a1af4);
	set_cfg(PCI_COMMAND, 0xffff, 2);
	assert_int_equal(cfg(PCI_COMMAND, 2), 0x547);
	set_cfg(PCI_STATUS, 0xffff, 2);
	assert_int_equal(cfg(PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	set_cfg(PCI_INTERRUPT_LINE, 0x2b, 1);
	assert_int_equal(cfg(PCI_INTERRUPT_LINE, 1), 0x2b);
	assert_int_equal(cfg(PCI_ROM_ADDRESS, 4), 0);
	/* nothing extended */
	assert_int_equal(cfg(0x100, 4), 0);
	assert_int_equal(cfg(0xffe, 2), 0);
}

static void test_bars(void **state)
{
	struct pci_func_region info;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		const uint64_t at = PCI_BASE_ADDRESS_0 + 4 * i;

		pci_func_region_info(r.func, i, &info);
		set_cfg(at, 0xffffffff, 4);
		if (i == 0 || i == 2) {
			assert_int_equal(cfg(at, 4), (uint32_t)-info.size | 0xc);
			assert_true(is_pow2(info.size) && info.readable && info.fd == -1);
		} else {
			assert_int_equal(cfg(at, 4), i == 1 || i == 3 ? 0xffffffff : 0);
			assert_int_equal(info.size, 0);
		}
		set_cfg(at, 0x12340000, 4);
		assert_int_equal(cfg(at, 4), i > 3 ? 0 : i % 2 ? 0x12340000 : 0x1234000c);
	}
	pci_func_region_info(r.func, CFG, &info);
	assert_int_equal(info.size, 4096);
	pci_func_region_info(r.func, PCI_FUNC_REGION_ROM, &info);
	assert_int_equal(info.size, 0);
	pci_func_region_info(r.func, 1000, &info);
	assert_int_equal(info.size, 0);
}

static void test_bounds(void **state)
{
	uint8_t all[4096];

	assert_int_equal(pci_func_read(r.func, CFG, 0, all, sizeof(all)), 0);
	assert_int_equal(pci_func_read(r.func, CFG, 1, all, sizeof(all)), -EINVAL);
	assert_int_equal(pci_func_read(r.func, CFG, ~0ull, all, 2), -EINVAL);
	assert_int_equal(pci_func_read(r.func, 0, 0x4000, all, 0), 0);
	assert_int_equal(pci_func_read(r.func, 0, 0x3fff, all, 2), -EINVAL);
	assert_int_equal(pci_func_write(r.func, 1, 0, all, 1), -EINVAL);
	assert_int_equal(pci_func_write(r.func, PCI_FUNC_REGION_ROM, 0, all, 1), -EINVAL);
	assert_int_equal(pci_func_write(r.func, 99, 0, all, 1), -EINVAL);
}

static void test_power(void **state)
{
	assert_int_equal(cfg(r.pm + PCI_PM_PMC, 2) & PCI_PM_CAP_VER_MASK, 3);
	assert_int_equal(cfg(r.pm + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET);
	set_cfg(r.pm + PCI_PM_CTRL, 3, 2);
	assert_int_equal(cfg(r.pm + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	set_cfg(r.pm + PCI_PM_CTRL, 1, 2);
	assert_int_equal(cfg(r.pm + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET | 3);
	set_cfg(r.pm + PCI_PM_CTRL, 0, 2);
	assert_int_equal(cfg(r.pm + PCI_PM_CTRL, 2), PCI_PM_CTRL_NO_SOFT_RESET);
}

static void test_express(void **state)
{
	assert_int_equal(cfg(r.exp + PCI_EXP_FLAGS, 2), 2);
	assert_true(cfg(r.exp + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR);
	assert_int_equal(cfg(r.exp + PCI_EXP_LNKSTA, 2), 0x11);
	set_cfg(r.exp + PCI_EXP_DEVCTL, 0x2810 | PCI_EXP_DEVCTL_PAYLOAD, 2);
	assert_int_equal(cfg(r.exp + PCI_EXP_DEVCTL, 2), 0x28f0);
}

static void test_msix_table(void **state)
{
	const uint32_t table = (uint32_t)cfg(r.msix + PCI_MSIX_TABLE, 4);
	const uint32_t pba = (uint32_t)cfg(r.msix + PCI_MSIX_PBA, 4);

	assert_int_equal(cfg(r.msix + PCI_MSIX_FLAGS, 2), REGS_VECTORS - 1);
	assert_int_equal(table & 7, 2);
	assert_int_equal(pba & 7, 2);
	assert_true(pba >> 3 >= (table >> 3) + REGS_VECTORS * 2);
	set_cfg(r.msix + PCI_MSIX_FLAGS, 0xffff, 2);
	assert_int_equal(cfg(r.msix + PCI_MSIX_FLAGS, 2), 0xc000 | (REGS_VECTORS - 1));
	assert_int_equal(regs_read(&r, 2, 12, 4), 1);
	regs_write(&r, 2, 16, 0x1122334455667788, 8);
	regs_write(&r, 2, 24, 0xfffffffe12345678, 8);
	assert_true(regs_read(&r, 2, 16, 8) == 0x1122334455667788);
	assert_true(regs_read(&r, 2, 24, 8) == 0x12345678);
	/* beyond the table: nothing */
	regs_write(&r, 2, REGS_VECTORS * 16 - 4, ~0ull, 8);
	assert_int_equal(regs_read(&r, 2, REGS_VECTORS * 16 - 4, 8), 1);
	regs_write(&r, 2, pba & ~7u, ~0ull, 8);
	assert_int_equal(regs_read(&r, 2, pba & ~7u, 8), 0);
}

/* BARs through configuration space. */
static void test_window(void **state)
{
	const uint64_t data = r.window.at + 16u;

	assert_int_equal(cfg(data, 4), 0);
	set_cfg(r.window.at + 4u, r.common.bar, 1);
	set_cfg(r.window.at + 8u, r.common.offset + VIRTIO_PCI_COMMON_NUMQ, 4);
	set_cfg(r.window.at + 12u, 2, 4);
	assert_int_equal(cfg(data, 2), REGS_QUEUES);
	set_cfg(r.window.at + 8u, r.common.offset + VIRTIO_PCI_COMMON_STATUS, 4);
	set_cfg(r.window.at + 12u, 1, 4);
	set_cfg(data, 3, 1);
	assert_int_equal(regs_status(&r), 3);
	assert_int_equal(cfg(data, 1), 3);
	/* not aligned, not there, no length: nothing happens */
	set_cfg(r.window.at + 12u, 3, 4);
	set_cfg(data, 0x80, 4);
	set_cfg(r.window.at + 12u, 2, 4);
	set_cfg(r.window.at + 8u, r.common.offset + VIRTIO_PCI_COMMON_STATUS - 1, 4);
	set_cfg(data, 0x8080, 4);
	set_cfg(r.window.at + 12u, 4, 4);
	set_cfg(r.window.at + 8u, 0xfffffffc, 4);
	set_cfg(data, 0x80, 4);
	set_cfg(r.window.at + 4u, 0xff, 1);
	set_cfg(data, 0x80, 4);
	assert_int_equal(regs_status(&r), 3);
}

static void test_irqs(void **state)
{
	assert_int_equal(pci_func_nr_irqs(r.func, PCI_FUNC_IRQ_INTX), 1);
	assert_int_equal(pci_func_nr_irqs(r.func, PCI_FUNC_IRQ_MSI), 0);
	assert_int_equal(pci_func_nr_irqs(r.func, PCI_FUNC_IRQ_MSIX), REGS_VECTORS);
	assert_int_equal(pci_func_nr_irqs(r.func, 77), 0);
	assert_int_equal(pci_func_set_irq(r.func, 77, 0, dup(0)), -EINVAL);
	assert_int_equal(pci_func_set_irq(r.func, PCI_FUNC_IRQ_MSI, 0, dup(0)), -EINVAL);
	assert_int_equal(pci_func_trigger(r.func, PCI_FUNC_IRQ_MSIX, REGS_VECTORS), -EINVAL);
	assert_int_equal(pci_func_trigger(r.func, PCI_FUNC_IRQ_MSIX, 3), 0);
	regs_vector(&r, 3);
	assert_int_equal(pci_func_trigger(r.func, PCI_FUNC_IRQ_MSIX, 3), 0);
	assert_int_equal(regs_interrupts(r.fd[3]), 1);
	assert_int_equal(pci_func_trigger(r.func, PCI_FUNC_IRQ_REQ, 0), 0);
}

/* ---- function level reset ---- */

static void write_flr(void)
{
	uint64_t ctl = cfg(r.exp + PCI_EXP_DEVCTL, 2);

	set_cfg(r.exp + PCI_EXP_DEVCTL, ctl | PCI_EXP_DEVCTL_BCR_FLR, 2);
}

static void test_flr(void **state)
{
	hold = true;
	regs_driver(&r, true);
	set_cfg(PCI_COMMAND, 6, 2);
	set_cfg(PCI_BASE_ADDRESS_0, 0x10000000, 4);
	regs_send(&r, 1);
	rig_until(&r.rig, nr_held == 1);
	write_flr();
	/* registers at once, the device when it is ready; again meanwhile: the same one */
	assert_int_equal(cfg(PCI_COMMAND, 2), 0);
	assert_int_equal(cfg(PCI_BASE_ADDRESS_0, 4), 0xc);
	assert_int_equal(cfg(r.exp + PCI_EXP_DEVCTL, 2), 0x2810);
	assert_int_equal(cfg(r.msix + PCI_MSIX_FLAGS, 2), REGS_VECTORS - 1);
	assert_int_not_equal(regs_status(&r), 0);
	assert_false(pci_func_is_settled(r.func));
	write_flr();
	rig_until(&r.rig, nr_flrs == 1);
	restart_done(&r.rig);
	rig_until(&r.rig, regs_status(&r) == 0);
	regs_wait_settled(&r);
	assert_int_equal(nr_flrs, 1);
	assert_int_equal(nr_resets, 0);
	assert_false(regs_answered(&r, 1));
	/* memory and descriptors have stayed, and the next driver is served */
	hold = false;
	regs_driver(&r, true);
	assert_true(regs_roundtrip(&r, 1));
	rig_until(&r.rig, regs_interrupts(r.fd[2]));
}

/* A reset of a function nobody has touched is no news; the driver's own wish always is. */
static void test_flr_untouched(void **state)
{
	pci_func_reset(r.func);
	assert_true(pci_func_is_settled(r.func));
	rig_settle(&r.rig);
	assert_int_equal(nr_flrs, 0);
	write_flr();
	/* the status says that it is not over, whatever it was before */
	assert_int_not_equal(regs_status(&r), 0);
	rig_until(&r.rig, nr_flrs == 1);
	restart_done(&r.rig);
	rig_until(&r.rig, regs_status(&r) == 0);
}

/* The driver's reset, then one of the function, while the application holds requests. */
static void test_flr_after_reset(void **state)
{
	struct doca_devemu_virtio_dev *dev = doca_devemu_vfs_dev_as_virtio_dev(r.rig.dev);

	hold = true;
	answer_flr = false;
	regs_driver(&r, true);
	regs_send(&r, 1);
	rig_until(&r.rig, nr_held == 1);
	regs_set(&r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	rig_until(&r.rig, nr_resets == 1);
	write_flr();
	rig_until(&r.rig, nr_flrs == 1);
	/* what belongs to the first is not enough any more */
	complete_held();
	rig_settle(&r.rig);
	ERR(BAD_STATE, doca_devemu_virtio_dev_reset_complete(dev));
	assert_int_not_equal(regs_status(&r), 0);
	restart(&r.rig);
	restart_done(&r.rig);
	rig_until(&r.rig, regs_status(&r) == 0);
	hold = false;
	regs_driver(&r, true);
	assert_true(regs_roundtrip(&r, 2));
}

/* One that comes while the device starts is held, one while it stops is over with the stop. */
static void test_flr_while_changing(void **state)
{
	hold = true;
	regs_driver(&r, true);
	regs_send(&r, 1);
	rig_until(&r.rig, nr_held == 1);
	ERR(IN_PROGRESS, doca_ctx_stop(r.rig.dev_ctx));
	ERR(IN_PROGRESS, doca_ctx_stop(r.rig.io[0].ctx));
	write_flr();
	rig_settle(&r.rig);
	assert_int_equal(nr_flrs, 0);
	assert_int_not_equal(regs_status(&r), 0);
	complete_held();
	rig_until(&r.rig, rig_state(r.rig.dev_ctx) == DOCA_CTX_STATE_IDLE);
	regs_wait_settled(&r);
	assert_int_equal(regs_status(&r), 0);
	/* again, after it has begun to start */
	ERR(IN_PROGRESS, doca_ctx_start(r.rig.dev_ctx));
	write_flr();
	rig_settle(&r.rig);
	assert_int_equal(nr_flrs, 0);
	OK(doca_ctx_start(r.rig.io[0].ctx));
	rig_until(&r.rig, nr_flrs == 1);
	restart_done(&r.rig);
	rig_until(&r.rig, regs_status(&r) == 0);
	hold = false;
	regs_driver(&r, true);
	assert_true(regs_roundtrip(&r, 1));
}

/* Over and over, under load. */
static void test_flr_repeated(void **state)
{
	unsigned int i;

	for (i = 1; i <= 20; i++) {
		hold = i % 2;
		regs_driver(&r, i % 3);
		regs_send(&r, 1);
		if (hold)
			rig_until(&r.rig, nr_held == 1);
		write_flr();
		rig_until(&r.rig, nr_flrs == i);
		restart_done(&r.rig);
		regs_wait_settled(&r);
	}
	assert_int_equal(nr_flrs, 20);
}

/* The host goes in the middle of it, and another one comes. */
static void test_disconnect(void **state)
{
	hold = true;
	regs_driver(&r, true);
	regs_send(&r, 1);
	rig_until(&r.rig, nr_held == 1);
	write_flr();
	pci_func_disconnected(r.func);
	assert_false(pci_func_is_settled(r.func));
	rig_until(&r.rig, nr_flrs == 1);
	restart_done(&r.rig);
	regs_wait_settled(&r);
	assert_int_equal(regs_status(&r), 0);
	hold = false;
	regs_driver(&r, false);
	assert_true(regs_roundtrip(&r, 1));
	rig_until(&r.rig, regs_interrupts(r.intx));
}

/* A driver that takes the bus away, as before another kernel is booted, and gives it back. */
static void test_bus_mastering(void **state)
{
	set_cfg(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	regs_driver(&r, true);
	assert_true(regs_roundtrip(&r, 1));
	hold = true;
	regs_send(&r, 2);
	rig_until(&r.rig, nr_held == 1);
	set_cfg(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	complete_held();
	regs_wait_settled(&r);
	hold = false;
	assert_true(regs_answered(&r, 2));
	regs_send(&r, 1);
	rig_settle(&r.rig);
	assert_false(regs_answered(&r, 1));
	assert_int_equal(regs_status(&r), 15);
	set_cfg(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	rig_until(&r.rig, regs_answered(&r, 1));
	assert_true(regs_roundtrip(&r, 2));
	/* a reset in between forgets where it was */
	set_cfg(PCI_COMMAND, 0, 2);
	regs_wait_settled(&r);
	regs_set(&r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	rig_until(&r.rig, nr_resets == 1);
	finish_resets();
	regs_driver(&r, true);
	set_cfg(PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	assert_true(regs_roundtrip(&r, 1));
}

/* A controller that stops and starts under a driver that does not know. */
static void test_restart_under_driver(void **state)
{
	regs_driver(&r, true);
	assert_true(regs_roundtrip(&r, 1));
	restart(&r.rig);
	rig_until(&r.rig, rig_state(r.rig.dev_ctx) == DOCA_CTX_STATE_IDLE);
	regs_send(&r, 1);
	rig_settle(&r.rig);
	assert_false(regs_answered(&r, 1));
	restart_done(&r.rig);
	rig_until(&r.rig, regs_answered(&r, 1));
	assert_int_equal(nr_resets, 0);
}

/* ---- doorbells the host maps ---- */

static void test_mapped_doorbells(void **state)
{
	struct pci_func_region info;
	uint8_t *page;
	uint64_t at;
	uint32_t size;
	int fd;

	pci_func_region_info(r.func, r.notify.bar, &info);
	assert_int_equal(info.nr_areas, 1);
	assert_int_equal(info.area[0].offset, r.notify.offset);
	assert_int_equal(info.area[0].size, 4096);
	assert_int_equal(pci_func_doorbell(r.func, r.notify.bar, r.notify.offset, &fd, &size),
			 -ENOENT);
	assert_int_equal(pci_func_nth_doorbell(r.func, r.notify.bar, 0, &at), -ENOENT);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, info.fd,
		    (off_t)(info.fd_offset + r.notify.offset));
	assert_true(page != MAP_FAILED);
	page[4] = 1;
	assert_int_equal(regs_read(&r, r.notify.bar, r.notify.offset + 4, 2), 1);
	regs_write(&r, r.notify.bar, r.notify.offset + 8, 2, 2);
	assert_int_equal(page[8], 2);
	munmap(page, 4096);
	/* nobody can take it away */
	assert_int_equal(ftruncate(info.fd, 0), -1);
	regs_driver(&r, true);
	assert_true(regs_roundtrip(&r, 1));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_header),
		TEST(test_bars),
		TEST(test_bounds),
		TEST(test_power),
		TEST(test_express),
		TEST(test_msix_table),
		TEST(test_window),
		TEST(test_irqs),
		TEST(test_flr),
		TEST(test_flr_untouched),
		TEST(test_flr_after_reset),
		TEST(test_flr_while_changing),
		TEST(test_flr_repeated),
		TEST(test_disconnect),
		TEST(test_bus_mastering),
		TEST(test_restart_under_driver),
		cmocka_unit_test_setup_teardown(test_mapped_doorbells, setup_mapped, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
