/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The registers on one thread, the queue on another: interrupts change their way, memory is given
 * anew and the queue is reset between requests and under them, and neither an answer nor an
 * interrupt is lost.
 */
#include <string.h>
#include <unistd.h>

#include "base/atomics.h"
#include "regs.h"

#define ROUNDS 300
#define QUEUE 1 /* is served by the second engine */

static struct regs r;
static struct doca_pe *other;
static int stop; /* atomic */

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	doca_devemu_vfs_req_complete(req, sizeof(struct fuse_out_header));
}

static void handlers(struct doca_devemu_vfs_io *io)
{
	const union doca_data none = {0};

	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(io, on_req, none));
}

static void *serve(void *arg)
{
	while (!load_acquire(&stop)) /* pairs with the release in test_changes() */
		doca_pe_progress(other);
	return NULL;
}

static void set_mask(uint32_t value)
{
	regs_write(&r, 2, (QUEUE + 1) * 16 + 12, value, 4);
}

static void set_function_mask(uint16_t value)
{
	regs_write(&r, PCI_FUNC_REGION_CONFIG, r.msix + 2u, PCI_MSIX_FLAGS_ENABLE | value, 2);
}

static void begin_change(unsigned int what)
{
	switch (what % 6) {
	case 0:
		set_mask(1);
		break;
	case 1:
		set_function_mask(PCI_MSIX_FLAGS_MASKALL);
		break;
	case 2:
		assert_int_equal(pci_func_set_irq(r.func, PCI_FUNC_IRQ_MSIX, QUEUE + 1, -1), 0);
		break;
	case 3:
		pci_func_set_memory(r.func, r.gm);
		break;
	case 4:
		regs_set(&r, VIRTIO_PCI_COMMON_Q_SELECT, QUEUE, 2);
		regs_set(&r, VIRTIO_PCI_COMMON_Q_MSIX, QUEUE + 2, 2);
		break;
	}
}

static void end_change(unsigned int what)
{
	switch (what % 6) {
	case 0:
		set_mask(0);
		break;
	case 1:
		set_function_mask(0);
		break;
	case 2:
		regs_vector(&r, QUEUE + 1);
		break;
	case 4:
		regs_set(&r, VIRTIO_PCI_COMMON_Q_SELECT, QUEUE, 2);
		regs_set(&r, VIRTIO_PCI_COMMON_Q_MSIX, QUEUE + 1, 2);
		break;
	}
}

static bool interrupted(void)
{
	return regs_interrupts(r.fd[QUEUE + 1]) + regs_interrupts(r.fd[QUEUE + 2]) > 0;
}

static void one_round(unsigned int i)
{
	bool answered = false, told = false;

	while (interrupted())
		;
	begin_change(i);
	regs_send(&r, QUEUE);
	if (i % 5 == 0)
		rig_until(&r.rig, answered = regs_answered(&r, QUEUE));
	end_change(i);
	rig_until(&r.rig, (answered = answered || regs_answered(&r, QUEUE),
			   told = told || interrupted(), answered && told));
	regs_wait_settled(&r);
}

static void reset_queue(void)
{
	regs_set(&r, VIRTIO_PCI_COMMON_Q_SELECT, QUEUE, 2);
	regs_set(&r, VIRTIO_PCI_COMMON_Q_RESET, 1, 2);
	rig_until(&r.rig, regs_get(&r, VIRTIO_PCI_COMMON_Q_RESET, 2) == 0);
	vdrv_fini(&r.q[QUEUE]);
	r.q[QUEUE].mem = NULL;
	regs_memory(&r);
	regs_queue(&r, QUEUE, QUEUE + 1);
}

static void test_changes(void **state)
{
	pthread_t thread;
	unsigned int i;

	r.rig.nr_pes = 2;
	r.rig.register_handlers = handlers;
	regs_start(&r);
	regs_driver(&r, true);
	other = r.rig.pe[1];
	r.rig.pe[1] = NULL; /* not moved by the rig as long as the thread does */
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
	for (i = 0; i < ROUNDS; i++) {
		one_round(i);
		if (i % 50 == 49)
			reset_queue();
	}
	regs_set(&r, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	rig_until(&r.rig, regs_status(&r) == 0);
	store_release(&stop, 1);
	pthread_join(thread, NULL);
	r.rig.pe[1] = other;
	regs_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
