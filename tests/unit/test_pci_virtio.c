/* SPDX-License-Identifier: BSD-3-Clause */
/* The virtio registers of a function: for a driver that keeps the rules, and for one that does not. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "../loop/regs.h"

static struct doca_devemu_vfs_req *held[8];
static unsigned int nr_held;
static bool hold;

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

static int setup(void **state)
{
	static struct regs r;

	memset(&r, 0, sizeof(r));
	hold = false;
	r.rig.register_handlers = handlers;
	regs_start(&r);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	complete_held();
	regs_stop(*state);
	return 0;
}

/* ---- registers ---- */

static void test_features(void **state)
{
	struct regs *r = *state;

	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_DF, 4), REGS_OFFERED & 0xffffffff);
	regs_set(r, VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_DFSELECT, 4), 1);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_DF, 4), REGS_OFFERED >> 32);
	regs_set(r, VIRTIO_PCI_COMMON_DFSELECT, 2, 4);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_DF, 4), 0);
	regs_set(r, VIRTIO_PCI_COMMON_GFSELECT, 2, 4);
	regs_set(r, VIRTIO_PCI_COMMON_GF, 0xffffffff, 4);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_GF, 4), 0);
	regs_set(r, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_GF, 4), 0);
	regs_features(r, REGS_OFFERED);
	assert_int_equal(regs_status(r), 11);
	/* settled: not to be changed any more */
	regs_set(r, VIRTIO_PCI_COMMON_GF, 0, 4);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_GF, 4), REGS_OFFERED >> 32);
}

static void test_features_refused(void **state)
{
	struct regs *r = *state;

	regs_features(r, REGS_OFFERED & ~(1ull << 32));
	assert_int_equal(regs_status(r), 3);
	regs_features(r, REGS_OFFERED | 1ull << 35);
	assert_int_equal(regs_status(r), 3);
	/* DRIVER_OK takes FEATURES_OK */
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 7, 1);
	assert_int_equal(regs_status(r), 3);
	regs_features(r, 1ull << 32);
	assert_int_equal(regs_status(r), 11);
}

static void test_status(void **state)
{
	struct regs *r = *state;

	assert_int_equal(regs_status(r), 0);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_NEEDS_RESET | 1, 1);
	assert_int_equal(regs_status(r), 1);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, VIRTIO_CONFIG_S_FAILED, 1);
	assert_int_equal(regs_status(r), 0x81);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 3, 1);
	assert_int_equal(regs_status(r), 0x81);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(regs_status(r), 0);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_NUMQ, 2), REGS_QUEUES);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_CFGGENERATION, 1), 0);
}

static void test_queue_registers(void **state)
{
	struct regs *r = *state;

	regs_set(r, VIRTIO_PCI_COMMON_Q_SELECT, 2, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_NOFF, 2), 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SIZE, 100, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SIZE, 512, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SIZE, 0, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SIZE, 64, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	/* halves, and bytes of them */
	regs_set(r, VIRTIO_PCI_COMMON_Q_DESCHI, 0x11223344, 4);
	regs_set(r, VIRTIO_PCI_COMMON_Q_DESCLO, 0x55667788, 4);
	regs_set(r, VIRTIO_PCI_COMMON_Q_DESCLO + 1, 0xaa, 1);
	assert_true(regs_get(r, VIRTIO_PCI_COMMON_Q_DESCLO, 8) == 0x112233445566aa88);
	/* FEATURES_OK first */
	regs_set(r, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	regs_features(r, REGS_OFFERED);
	regs_set(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	regs_set(r, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SIZE, 32, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_DESCLO, 0, 8);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
	assert_true(regs_get(r, VIRTIO_PCI_COMMON_Q_DESCLO, 8) != 0);
	regs_set(r, VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	/* a queue there is not */
	regs_set(r, VIRTIO_PCI_COMMON_Q_SELECT, REGS_QUEUES, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SIZE, 64, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
}

static void test_vectors(void **state)
{
	struct regs *r = *state;

	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	regs_set(r, VIRTIO_PCI_COMMON_MSIX, REGS_VECTORS - 1, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_MSIX, 2), REGS_VECTORS - 1);
	regs_set(r, VIRTIO_PCI_COMMON_MSIX, REGS_VECTORS, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	regs_set(r, VIRTIO_PCI_COMMON_Q_MSIX, 3, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_MSIX, 2), 3);
	regs_set(r, VIRTIO_PCI_COMMON_Q_MSIX, 0x1000, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
}

static void test_device_config(void **state)
{
	struct regs *r = *state;
	char tag[36] = "";

	assert_int_equal(pci_func_read(r->func, r->device.bar, r->device.offset, tag,
				       sizeof(tag)), 0);
	assert_string_equal(tag, "docavirtiofs");
	assert_int_equal(regs_read(r, r->device.bar, r->device.offset + 36, 4), REGS_QUEUES - 1);
	assert_int_equal(regs_read(r, r->device.bar, r->device.offset + 100, 4), 0);
}

/* ---- service ---- */

static void test_service_msix(void **state)
{
	struct regs *r = *state;
	uint16_t vector;
	unsigned int q;

	regs_driver(r, true);
	assert_int_equal(regs_status(r), 15);
	OK(doca_devemu_virtio_dev_get_config_msix_vector(
		doca_devemu_vfs_dev_as_virtio_dev(r->rig.dev), &vector));
	assert_int_equal(vector, 0);
	for (q = 0; q < REGS_QUEUES; q++) {
		assert_true(regs_roundtrip(r, q));
		rig_settle(&r->rig);
		assert_true(regs_interrupts(r->fd[q + 1]));
		assert_int_equal(regs_interrupts(r->fd[0]), 0);
	}
	assert_int_equal(regs_read(r, r->isr.bar, r->isr.offset, 1), 0);
}

static void test_service_intx(void **state)
{
	struct regs *r = *state;
	const uint16_t disable = PCI_COMMAND_INTX_DISABLE;

	regs_driver(r, false);
	assert_true(regs_roundtrip(r, 1));
	rig_until(&r->rig, regs_interrupts(r->intx));
	assert_true(regs_read(r, PCI_FUNC_REGION_CONFIG, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	/* masked until the host says otherwise, and told again while it is asserted */
	assert_true(regs_roundtrip(r, 1));
	rig_settle(&r->rig);
	assert_int_equal(regs_interrupts(r->intx), 0);
	pci_func_mask_intx(r->func, false);
	assert_int_equal(regs_interrupts(r->intx), 1);
	assert_int_equal(regs_read(r, r->isr.bar, r->isr.offset, 1), 1);
	assert_int_equal(regs_read(r, r->isr.bar, r->isr.offset, 1), 0);
	pci_func_mask_intx(r->func, false);
	assert_int_equal(regs_interrupts(r->intx), 0);
	/* off in the command register */
	regs_write(r, PCI_FUNC_REGION_CONFIG, PCI_COMMAND, disable, 2);
	assert_true(regs_roundtrip(r, 1));
	rig_settle(&r->rig);
	assert_int_equal(regs_interrupts(r->intx), 0);
	regs_write(r, PCI_FUNC_REGION_CONFIG, PCI_COMMAND, 0, 2);
	assert_int_equal(regs_interrupts(r->intx), 1);
}

static void set_entry_mask(struct regs *r, unsigned int vector, uint32_t value)
{
	uint32_t table = (uint32_t)regs_read(r, PCI_FUNC_REGION_CONFIG, r->msix + 4u, 4);

	regs_write(r, table & 7, (table & ~7u) + vector * 16 + 12, value, 4);
}

static uint64_t pending_bits(struct regs *r)
{
	uint32_t pba = (uint32_t)regs_read(r, PCI_FUNC_REGION_CONFIG, r->msix + 8u, 4);

	return regs_read(r, pba & 7, pba & ~7u, 8);
}

static void test_masked_vector(void **state)
{
	struct regs *r = *state;

	regs_driver(r, true);
	set_entry_mask(r, 2, 1);
	regs_wait_settled(r);
	rig_settle(&r->rig);
	assert_true(regs_roundtrip(r, 1));
	rig_until(&r->rig, pending_bits(r) == 4);
	assert_int_equal(regs_interrupts(r->fd[2]), 0);
	set_entry_mask(r, 2, 0);
	assert_int_equal(regs_interrupts(r->fd[2]), 1);
	assert_int_equal(pending_bits(r), 0);
	regs_wait_settled(r);
	assert_true(regs_roundtrip(r, 1));
	rig_until(&r->rig, regs_interrupts(r->fd[2]));
	/* the whole function */
	regs_write(r, PCI_FUNC_REGION_CONFIG, r->msix + 2u,
		   PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL, 2);
	regs_wait_settled(r);
	rig_settle(&r->rig);
	assert_true(regs_roundtrip(r, 1));
	rig_until(&r->rig, pending_bits(r) == 4);
	assert_int_equal(regs_interrupts(r->fd[2]), 0);
	regs_write(r, PCI_FUNC_REGION_CONFIG, r->msix + 2u, PCI_MSIX_FLAGS_ENABLE, 2);
	assert_int_equal(regs_interrupts(r->fd[2]), 1);
}

/* Descriptors replaced and taken away while requests come: none is lost. */
static void test_vector_changes(void **state)
{
	struct regs *r = *state;

	regs_driver(r, true);
	assert_true(regs_roundtrip(r, 1));
	regs_vector(r, 2);
	regs_wait_settled(r);
	assert_true(regs_roundtrip(r, 1));
	rig_until(&r->rig, regs_interrupts(r->fd[2]));
	assert_int_equal(pci_func_set_irq(r->func, PCI_FUNC_IRQ_MSIX, 2, -1), 0);
	regs_wait_settled(r);
	assert_true(regs_roundtrip(r, 1));
	rig_until(&r->rig, pending_bits(r) == 4);
	regs_vector(r, 2);
	assert_int_equal(regs_interrupts(r->fd[2]), 1);
	/* another vector, shared with queue 2 */
	regs_set(r, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_MSIX, 3, 2);
	regs_wait_settled(r);
	assert_true(regs_roundtrip(r, 1));
	rig_until(&r->rig, regs_interrupts(r->fd[3]));
	assert_true(regs_roundtrip(r, 2));
	rig_until(&r->rig, regs_interrupts(r->fd[3]));
	assert_int_equal(pci_func_set_irq(r->func, PCI_FUNC_IRQ_MSIX, REGS_VECTORS, -1), -EINVAL);
}

static void test_doorbell(void **state)
{
	struct regs *r = *state;
	const uint64_t one = 1;
	uint64_t at;
	uint32_t size;
	int fd;

	regs_driver(r, true);
	assert_int_equal(pci_func_nth_doorbell(r->func, r->notify.bar, 1, &at), 0);
	assert_int_equal(pci_func_doorbell(r->func, r->notify.bar, at, &fd, &size), 0);
	assert_int_equal(size, 2);
	assert_int_equal(pci_func_doorbell(r->func, r->notify.bar, at + 1, &fd, &size), -ENOENT);
	assert_int_equal(pci_func_doorbell(r->func, r->common.bar, 0, &fd, &size), -ENOENT);
	assert_int_equal(pci_func_nth_doorbell(r->func, r->notify.bar, REGS_QUEUES, &at), -ENOENT);
	assert_true(regs_roundtrip(r, 1));
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	rig_settle(&r->rig);
}

/* A host that has gone keeps its descriptors; they are not those of the next one. */
static void test_doorbell_of_the_last_host(void **state)
{
	struct regs *r = *state;
	uint64_t at, value = 1;
	uint32_t size;
	int fd, kept;

	assert_int_equal(pci_func_nth_doorbell(r->func, r->notify.bar, 1, &at), 0);
	assert_int_equal(pci_func_doorbell(r->func, r->notify.bar, at, &fd, &size), 0);
	kept = dup(fd);
	pci_func_disconnected(r->func);
	regs_wait_settled(r);
	assert_int_equal(pci_func_doorbell(r->func, r->notify.bar, at, &fd, &size), 0);
	assert_int_equal(write(kept, &value, sizeof(value)), sizeof(value));
	assert_int_equal(read(fd, &value, sizeof(value)), -1);
	close(kept);
	regs_driver(r, true);
	assert_true(regs_roundtrip(r, 1));
}

/* ---- trouble ---- */

static void test_rings_outside_memory(void **state)
{
	struct regs *r = *state;

	regs_features(r, REGS_OFFERED);
	regs_memory(r);
	for (unsigned int i = 0; i <= REGS_QUEUES; i++)
		regs_vector(r, i);
	regs_set(r, VIRTIO_PCI_COMMON_MSIX, 0, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_DESCLO, 0x1000, 8);
	regs_set(r, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(regs_status(r), 11);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 15, 1);
	assert_int_equal(regs_status(r), 15 | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(regs_interrupts(r->fd[0]), 1);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	rig_until(&r->rig, regs_status(r) == 0);
	regs_driver(r, true);
	assert_true(regs_roundtrip(r, 1));
}

static void test_memory_taken_away(void **state)
{
	struct regs *r = *state;
	struct gmem *half;

	regs_driver(r, true);
	assert_true(regs_roundtrip(r, 1));
	hold = true;
	regs_send(r, 2);
	rig_until(&r->rig, nr_held == 1);
	/* without the memory of queue 1; the request on queue 2 has the old snapshot */
	assert_int_equal(gm_create((struct gm_region[]){r->gm->region[0], r->gm->region[2]}, 2,
				   &half), 0);
	gm_put(r->gm);
	r->gm = half;
	pci_func_set_memory(r->func, half);
	assert_false(pci_func_is_settled(r->func));
	rig_settle(&r->rig);
	assert_false(pci_func_is_settled(r->func));
	assert_true(regs_status(r) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(regs_interrupts(r->fd[0]), 1);
	complete_held();
	regs_wait_settled(r);
	rig_until(&r->rig, regs_answered(r, 2));
	hold = false;
	assert_true(regs_roundtrip(r, 2));
}

static void test_memory_patience(void **state)
{
	struct regs *r = *state;
	struct gmem *half;
	uint64_t start = rig_now();

	regs_driver(r, true);
	hold = true;
	regs_send(r, 2);
	rig_until(&r->rig, nr_held == 1);
	assert_int_equal(gm_create((struct gm_region[]){r->gm->region[0], r->gm->region[2]}, 2,
				   &half), 0);
	gm_put(r->gm);
	r->gm = half;
	pci_func_set_memory(r->func, half);
	regs_wait_settled(r);
	assert_true(rig_now() - start > 1000000000ull);
	complete_held();
	rig_until(&r->rig, regs_answered(r, 2));
}

static void test_queue_reset(void **state)
{
	struct regs *r = *state;

	regs_driver(r, true);
	hold = true;
	regs_send(r, 1);
	rig_until(&r->rig, nr_held == 1);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	regs_set(r, VIRTIO_PCI_COMMON_Q_RESET, 0, 2);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_RESET, 2), 0);
	regs_set(r, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	rig_settle(&r->rig);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_RESET, 2), 1);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	hold = false;
	/* others go on */
	assert_true(regs_roundtrip(r, 2));
	complete_held();
	rig_until(&r->rig, regs_get(r, VIRTIO_PCI_COMMON_Q_RESET, 2) == 0);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_SIZE, 2), 256);
	vdrv_fini(&r->q[1]);
	r->q[1].mem = NULL;
	regs_memory(r);
	regs_queue(r, 1, 2);
	assert_true(regs_roundtrip(r, 1));
}

static void test_reset_waits(void **state)
{
	struct regs *r = *state;

	regs_driver(r, true);
	hold = true;
	regs_send(r, 1);
	rig_until(&r->rig, nr_held == 1);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	rig_settle(&r->rig);
	assert_int_equal(regs_status(r), 15);
	/* a driver that does not wait changes nothing */
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 3, 1);
	regs_set(r, VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_int_equal(regs_get(r, VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	assert_false(pci_func_is_settled(r->func));
	complete_held();
	rig_until(&r->rig, regs_status(r) == 0);
	assert_true(pci_func_is_settled(r->func));
	hold = false;
	regs_driver(r, true);
	assert_true(regs_roundtrip(r, 1));
}

/* The queue is being paused when the next driver's reset comes; its place is not the next one's. */
static void test_reset_while_pausing(void **state)
{
	struct regs *r = *state;

	regs_driver(r, true);
	assert_true(regs_roundtrip(r, 1));
	regs_write(r, PCI_FUNC_REGION_CONFIG, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	hold = true;
	regs_send(r, 1);
	rig_until(&r->rig, nr_held == 1);
	regs_write(r, PCI_FUNC_REGION_CONFIG, PCI_COMMAND, 0, 2);
	rig_settle(&r->rig);
	regs_set(r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	complete_held();
	rig_until(&r->rig, regs_status(r) == 0);
	hold = false;
	regs_write(r, PCI_FUNC_REGION_CONFIG, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
	regs_driver(r, true);
	assert_true(regs_roundtrip(r, 1));
}

static void test_broken_ring(void **state)
{
	struct regs *r = *state;

	regs_driver(r, true);
	r->q[1].avail->ring[0] = 0xffff;
	r->q[1].avail->idx = 1;
	regs_kick(r, 1);
	rig_until(&r->rig, regs_status(r) & VIRTIO_CONFIG_S_NEEDS_RESET);
	/* the rig's transport is told, which has no host; a real one passes it on */
	pci_func_needs_reset(r->func);
	assert_int_equal(regs_interrupts(r->fd[0]), 1);
	assert_true(regs_roundtrip(r, 2));
	pci_func_config_changed(r->func);
	assert_int_equal(regs_interrupts(r->fd[0]), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_features),
		TEST(test_features_refused),
		TEST(test_status),
		TEST(test_queue_registers),
		TEST(test_vectors),
		TEST(test_device_config),
		TEST(test_service_msix),
		TEST(test_service_intx),
		TEST(test_masked_vector),
		TEST(test_vector_changes),
		TEST(test_doorbell),
		TEST(test_doorbell_of_the_last_host),
		TEST(test_rings_outside_memory),
		TEST(test_memory_taken_away),
		TEST(test_memory_patience),
		TEST(test_queue_reset),
		TEST(test_reset_waits),
		TEST(test_reset_while_pausing),
		TEST(test_broken_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
