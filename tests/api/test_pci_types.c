/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Types and devices of the application's own: layout rules, registers the host writes, their
 * defaults, function level reset, DMA to the memory of the host; and the calls that need an
 * accelerator, which there is none of. The host is the register file itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devemu/pci_func.h"
#include "doca_buf.h"
#include "doca_buf_inventory.h"
#include "doca_devemu_pci.h"
#include "doca_dma.h"
#include "doca_dpa.h"
#include "rig.h"

#define BAR 0
#define STATEFUL 0x0
#define STATEFUL_SIZE 0x100
#define OTHER 0x400 /* another stateful region */
#define DOORBELLS 0x1000
#define MSIX_TABLE 0x2000
#define MSIX_PBA 0x3000
#define NUM_MSIX 4
#define GPA 0x100000000ull
#define MEM_SIZE 0x10000u

static char dir[] = "/tmp/softdpu-types-XXXXXX";

struct fix {
	struct doca_pe *pe;
	struct doca_dev *mgr;
	struct doca_devemu_pci_type *type;
	struct doca_dev_rep *rep;
	struct doca_devemu_pci_dev *pci;
	struct doca_ctx *ctx;
	struct pci_func *func;
	unsigned int writes, others, flrs, settled;
	uint8_t seen[STATEFUL_SIZE];
};

static void on_settled(void *port)
{
	((struct fix *)port)->settled++;
}

static const struct pci_func_ops func_ops = {
	.settled = on_settled,
};

static void idle(struct fix *f)
{
	for (int i = 0; i < 100; i++)
		doca_pe_progress(f->pe);
}

static struct doca_devemu_pci_type *make_type(struct doca_dev *mgr, const char *name)
{
	struct doca_devemu_pci_type *type;

	OK(doca_devemu_pci_type_create(name, &type));
	OK(doca_devemu_pci_type_set_dev(type, mgr));
	OK(doca_devemu_pci_type_set_vendor_id(type, 0x15b3));
	OK(doca_devemu_pci_type_set_device_id(type, 0x1234));
	OK(doca_devemu_pci_type_set_class_code(type, 0x0b4000));
	OK(doca_devemu_pci_type_set_num_msix(type, NUM_MSIX));
	OK(doca_devemu_pci_type_set_num_db(type, 8));
	OK(doca_devemu_pci_type_set_memory_bar_conf(type, BAR, 14,
						    DOCA_DEVEMU_PCI_BAR_MEM_TYPE_64_BIT, 1));
	OK(doca_devemu_pci_type_set_memory_bar_conf(type, BAR + 1, 0,
						    DOCA_DEVEMU_PCI_BAR_MEM_TYPE_32_BIT, 0));
	OK(doca_devemu_pci_type_set_bar_stateful_region_conf(type, BAR, STATEFUL, STATEFUL_SIZE));
	OK(doca_devemu_pci_type_set_bar_stateful_region_conf(type, BAR, OTHER, 64));
	OK(doca_devemu_pci_type_set_bar_db_region_by_offset_conf(type, BAR, DOORBELLS, 0x1000, 2,
								 3));
	OK(doca_devemu_pci_type_set_bar_msix_table_region_conf(type, BAR, MSIX_TABLE, 0x1000));
	OK(doca_devemu_pci_type_set_bar_msix_pba_region_conf(type, BAR, MSIX_PBA, 0x1000));
	return type;
}

static void open_manager(struct fix *f)
{
	struct doca_devinfo **list;
	uint32_t cnt;

	memset(f, 0, sizeof(*f));
	OK(doca_pe_create(&f->pe));
	OK(doca_devinfo_create_list(&list, &cnt));
	OK(doca_dev_open(list[0], &f->mgr));
	OK(doca_devinfo_destroy_list(list));
}

static void close_manager(struct fix *f)
{
	OK(doca_dev_close(f->mgr));
	OK(doca_pe_destroy(f->pe));
}

static void make_device(struct fix *f)
{
	open_manager(f);
	f->type = make_type(f->mgr, "mine");
	OK(doca_devemu_pci_type_start(f->type));
	OK(doca_devemu_pci_type_create_rep(f->type, &f->rep));
	OK(doca_devemu_pci_dev_create(f->type, f->rep, f->pe, &f->pci));
	f->ctx = doca_devemu_pci_dev_as_ctx(f->pci);
}

static void start_device(struct fix *f)
{
	OK(doca_ctx_start(f->ctx));
	assert_int_equal(pci_func_create(f->pci, &func_ops, f, &f->func), 0);
}

static void stop_device(struct fix *f)
{
	pci_func_destroy(f->func);
	OK(doca_ctx_stop(f->ctx));
	ERR(IN_USE, doca_devemu_pci_type_stop(f->type));
	OK(doca_devemu_pci_dev_destroy(f->pci));
	OK(doca_devemu_pci_type_destroy_rep(f->rep));
	OK(doca_devemu_pci_type_stop(f->type));
	OK(doca_devemu_pci_type_destroy(f->type));
	close_manager(f);
}

static uint64_t host_read(struct fix *f, uint64_t offset, size_t len)
{
	uint64_t value = 0;

	assert_int_equal(pci_func_read(f->func, BAR, offset, &value, len), 0);
	return value;
}

static void host_write(struct fix *f, uint64_t offset, uint64_t value, size_t len)
{
	assert_int_equal(pci_func_write(f->func, BAR, offset, &value, len), 0);
}

/* ---- types ---- */

static void test_type_rules(void **state)
{
	struct fix f;
	struct doca_devemu_pci_type *t, *twin;

	open_manager(&f);
	OK(doca_devemu_pci_type_create("t", &t));
	ERR(BAD_CONFIG, doca_devemu_pci_type_start(t)); /* no device */
	OK(doca_devemu_pci_type_set_dev(t, f.mgr));
	ERR(INVALID_VALUE, doca_devemu_pci_type_set_memory_bar_conf(
		t, 6, 12, DOCA_DEVEMU_PCI_BAR_MEM_TYPE_32_BIT, 0));
	ERR(INVALID_VALUE, doca_devemu_pci_type_set_memory_bar_conf(
		t, 0, 11, DOCA_DEVEMU_PCI_BAR_MEM_TYPE_32_BIT, 0));
	ERR(NOT_SUPPORTED, doca_devemu_pci_type_set_memory_bar_conf(
		t, 0, 12, DOCA_DEVEMU_PCI_BAR_MEM_TYPE_1_MB, 0));
	ERR(INVALID_VALUE, doca_devemu_pci_type_set_io_bar_conf(t, 5, 1));
	OK(doca_devemu_pci_type_set_io_bar_conf(t, 5, 4));
	OK(doca_devemu_pci_type_set_memory_bar_conf(t, 0, 12, DOCA_DEVEMU_PCI_BAR_MEM_TYPE_64_BIT,
						    0));
	ERR(BAD_CONFIG, doca_devemu_pci_type_start(t)); /* the upper half is missing */
	OK(doca_devemu_pci_type_set_memory_bar_conf(t, 1, 0, DOCA_DEVEMU_PCI_BAR_MEM_TYPE_32_BIT,
						    0));
	ERR(INVALID_VALUE, doca_devemu_pci_type_set_bar_stateful_region_conf(t, 0, 32, 64));
	ERR(INVALID_VALUE, doca_devemu_pci_type_set_bar_stateful_region_conf(t, 0, 0, 65));
	ERR(INVALID_VALUE, doca_devemu_pci_type_set_bar_stateful_region_conf(t, 0, 0, 4097 * 64));
	OK(doca_devemu_pci_type_set_num_msix(t, 5));
	ERR(BAD_CONFIG, doca_devemu_pci_type_start(t)); /* neither table nor bits */
	OK(doca_devemu_pci_type_set_bar_msix_table_region_conf(t, 0, 0, 64));
	ERR(FULL, doca_devemu_pci_type_set_bar_msix_table_region_conf(t, 0, 64, 64));
	OK(doca_devemu_pci_type_set_bar_msix_pba_region_conf(t, 0, 128, 64));
	ERR(BAD_CONFIG, doca_devemu_pci_type_start(t)); /* room for four */
	OK(doca_devemu_pci_type_set_num_msix(t, 4));
	OK(doca_devemu_pci_type_start(t));
	ERR(BAD_STATE, doca_devemu_pci_type_set_num_msix(t, 3));
	ERR(BAD_STATE, doca_devemu_pci_type_set_num_db(t, 3));
	OK(doca_devemu_pci_type_create("t", &twin));
	OK(doca_devemu_pci_type_set_dev(twin, f.mgr));
	ERR(ALREADY_EXIST, doca_devemu_pci_type_start(twin));
	OK(doca_devemu_pci_type_stop(t));
	OK(doca_devemu_pci_type_start(twin));
	OK(doca_devemu_pci_type_stop(twin));
	OK(doca_devemu_pci_type_destroy(twin));
	OK(doca_devemu_pci_type_set_bar_stateful_region_conf(t, 0, 64, 128));
	ERR(BAD_CONFIG, doca_devemu_pci_type_start(t)); /* two at one place */
	OK(doca_devemu_pci_type_destroy(t));
	close_manager(&f);
}

/* Starts a type "mine" of its own and keeps it until told to end. */
static int other_process(int to_parent, int from_parent)
{
	struct doca_devemu_pci_type *type;
	struct fix f;
	char c = 1;

	open_manager(&f);
	type = make_type(f.mgr, "mine");
	if (doca_devemu_pci_type_start(type) != DOCA_SUCCESS)
		return 1;
	return write(to_parent, &c, 1) == 1 && read(from_parent, &c, 1) == 0 ? 0 : 1;
}

/* Two processes may use a name for one thing only. */
static void test_shared_name(void **state)
{
	struct doca_devemu_pci_type *same, *different;
	int up[2], down[2], status;
	struct fix f;
	pid_t pid;
	char c;

	assert_int_equal(pipe(up) | pipe(down), 0);
	pid = fork();
	if (!pid) {
		close(down[1]);
		_exit(other_process(up[1], down[0]));
	}
	close(up[1]);
	close(down[0]);
	assert_int_equal(read(up[0], &c, 1), 1);
	open_manager(&f);
	same = make_type(f.mgr, "mine");
	different = make_type(f.mgr, "mine");
	OK(doca_devemu_pci_type_set_class_code(different, 0x020000));
	ERR(ALREADY_EXIST, doca_devemu_pci_type_start(different));
	OK(doca_devemu_pci_type_start(same));
	OK(doca_devemu_pci_type_stop(same));
	close(down[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* nobody has it any more */
	OK(doca_devemu_pci_type_start(different));
	OK(doca_devemu_pci_type_stop(different));
	OK(doca_devemu_pci_type_destroy(same));
	OK(doca_devemu_pci_type_destroy(different));
	close_manager(&f);
	close(up[0]);
}

static void test_most_types(void **state)
{
	struct doca_devemu_pci_type *t[9];
	uint16_t max;
	struct fix f;
	char name[8];

	open_manager(&f);
	OK(doca_devemu_pci_cap_get_max_types(doca_dev_as_devinfo(f.mgr), &max));
	assert_int_equal(max, 8);
	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "t%d", i);
		OK(doca_devemu_pci_type_create(name, &t[i]));
		OK(doca_devemu_pci_type_set_dev(t[i], f.mgr));
		if (i < 8)
			OK(doca_devemu_pci_type_start(t[i]));
		else
			ERR(FULL, doca_devemu_pci_type_start(t[i]));
	}
	for (int i = 0; i < 9; i++) {
		if (i < 8)
			OK(doca_devemu_pci_type_stop(t[i]));
		OK(doca_devemu_pci_type_destroy(t[i]));
	}
	close_manager(&f);
}

static void test_default_type(void **state)
{
	struct doca_devemu_vfs_type *vfs;
	struct doca_devemu_pci_type *type;
	struct doca_devemu_pci_dev *pci;
	struct fix f;
	uint16_t cnt;
	uint8_t yes;

	make_device(&f);
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(f.mgr, &vfs));
	type = doca_devemu_vfs_type_as_pci_type(vfs);
	ERR(NOT_PERMITTED, doca_devemu_pci_type_get_num_db(type, &cnt));
	ERR(NOT_PERMITTED, doca_devemu_pci_type_set_num_db(type, 1));
	ERR(NOT_SUPPORTED, doca_devemu_pci_dev_create(type, f.rep, f.pe, &pci));
	ERR(IN_USE, doca_devemu_pci_dev_create(f.type, f.rep, f.pe, &pci));
	OK(doca_devemu_pci_cap_type_is_mgmt_supported(doca_dev_as_devinfo(f.mgr), f.type, &yes));
	assert_int_equal(yes, 1);
	start_device(&f);
	stop_device(&f);
}

/* ---- devices ---- */

static void test_config_space(void **state)
{
	uint8_t cfg[64];
	struct fix f;
	uint16_t cnt;

	make_device(&f);
	OK(doca_devemu_pci_dev_set_subsystem_id(f.pci, 0x77));
	OK(doca_devemu_pci_ep_set_num_msix(doca_devemu_pci_dev_as_ep(f.pci), 3));
	OK(doca_devemu_pci_ep_set_num_db(doca_devemu_pci_dev_as_ep(f.pci), 5));
	start_device(&f);
	ERR(BAD_STATE, doca_devemu_pci_dev_set_subsystem_id(f.pci, 0x78));
	OK(doca_devemu_pci_ep_get_num_msix(doca_devemu_pci_dev_as_ep(f.pci), &cnt));
	assert_int_equal(cnt, 3);
	OK(doca_devemu_pci_ep_get_num_db(doca_devemu_pci_dev_as_ep(f.pci), &cnt));
	assert_int_equal(cnt, 5);
	assert_int_equal(pci_func_read(f.func, PCI_FUNC_REGION_CONFIG, 0, cfg, sizeof(cfg)), 0);
	assert_memory_equal(cfg, "\xb3\x15\x34\x12", 4);
	assert_memory_equal(cfg + 9, "\x00\x40\x0b", 3);
	assert_memory_equal(cfg + 0x10, "\x0c\0\0\0", 4);
	assert_memory_equal(cfg + 0x2e, "\x77\0", 2);
	assert_int_equal(pci_func_nr_irqs(f.func, PCI_FUNC_IRQ_MSIX), 3);
	stop_device(&f);
}

static void on_write(struct doca_devemu_pci_dev_event_bar_stateful_region_driver_write *event,
		     union doca_data data)
{
	struct fix *f = data.ptr;

	assert_ptr_equal(
		doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_pci_dev(event),
		f->pci);
	assert_int_equal(
		doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_id(event), BAR);
	if (doca_devemu_pci_dev_event_bar_stateful_region_driver_write_get_bar_region_start_addr(
		    event) == OTHER) {
		f->others++;
		return;
	}
	f->writes++;
	OK(doca_devemu_pci_dev_query_bar_stateful_region_values(f->pci, BAR, STATEFUL, f->seen,
								sizeof(f->seen)));
}

#define REGISTER(f, start) \
	doca_devemu_pci_dev_event_bar_stateful_region_driver_write_register( \
		(f)->pci, on_write, BAR, start, (union doca_data){.ptr = f})

static void test_stateful(void **state)
{
	uint32_t value = 0x01020304;
	struct fix f;

	make_device(&f);
	ERR(INVALID_VALUE, REGISTER(&f, 0x40));
	ERR(INVALID_VALUE, REGISTER(&f, DOORBELLS));
	OK(REGISTER(&f, STATEFUL));
	OK(REGISTER(&f, OTHER));
	ERR(BAD_STATE, doca_devemu_pci_dev_query_bar_stateful_region_values(f.pci, BAR, 0, &value,
									    4));
	start_device(&f);
	ERR(BAD_STATE, REGISTER(&f, STATEFUL));
	assert_true(host_read(&f, 8, 8) == 0);
	host_write(&f, 8, 0x1122334455667788, 8);
	assert_true(host_read(&f, 8, 8) == 0x1122334455667788);
	assert_int_equal(f.writes, 0);
	idle(&f);
	assert_int_equal(f.writes, 1);
	assert_memory_equal(f.seen + 8, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	assert_int_equal(f.others, 0);
	/* over the end of one region into nothing, and into the other */
	host_write(&f, STATEFUL_SIZE - 4, 0xaaaaaaaabbbbbbbb, 8);
	assert_true(host_read(&f, STATEFUL_SIZE - 4, 8) == 0xbbbbbbbb);
	host_write(&f, OTHER, 5, 1);
	idle(&f);
	assert_int_equal(f.writes, 2);
	assert_int_equal(f.others, 1);
	/* from the other side: no event */
	OK(doca_devemu_pci_dev_modify_bar_stateful_region_values(f.pci, BAR, 16, &value, 4));
	assert_int_equal(host_read(&f, 16, 4), value);
	idle(&f);
	assert_int_equal(f.writes, 2);
	ERR(INVALID_VALUE, doca_devemu_pci_dev_modify_bar_stateful_region_values(
		f.pci, BAR, STATEFUL_SIZE - 2, &value, 4));
	ERR(INVALID_VALUE, doca_devemu_pci_dev_modify_bar_stateful_region_values(
		f.pci, BAR, DOORBELLS, &value, 4));
	ERR(INVALID_VALUE, doca_devemu_pci_dev_query_bar_stateful_region_values(
		f.pci, BAR, ~0ull, &value, 4));
	/* doorbells hold what is written */
	host_write(&f, DOORBELLS + 24, 0x55, 4);
	assert_int_equal(host_read(&f, DOORBELLS + 24, 4), 0x55);
	assert_int_equal(pci_func_read(f.func, BAR, 0x3ffd, &value, 4), -EINVAL);
	assert_int_equal(pci_func_read(f.func, BAR + 1, 0, &value, 4), -EINVAL);
	stop_device(&f);
}

static void test_defaults(void **state)
{
	uint8_t of_type[STATEFUL_SIZE], of_dev[STATEFUL_SIZE];
	struct fix f;

	memset(of_type, 0x11, sizeof(of_type));
	memset(of_dev, 0x22, sizeof(of_dev));
	open_manager(&f);
	f.type = make_type(f.mgr, "mine");
	ERR(BAD_STATE, doca_devemu_pci_type_modify_bar_stateful_region_default_values(
		f.type, BAR, STATEFUL, of_type, sizeof(of_type)));
	OK(doca_devemu_pci_type_start(f.type));
	ERR(INVALID_VALUE, doca_devemu_pci_type_modify_bar_stateful_region_default_values(
		f.type, BAR, STATEFUL, of_type, sizeof(of_type) - 1));
	OK(doca_devemu_pci_type_modify_bar_stateful_region_default_values(
		f.type, BAR, STATEFUL, of_type, sizeof(of_type)));
	OK(doca_devemu_pci_type_create_rep(f.type, &f.rep));
	OK(doca_devemu_pci_dev_create(f.type, f.rep, f.pe, &f.pci));
	f.ctx = doca_devemu_pci_dev_as_ctx(f.pci);
	ERR(BAD_STATE, doca_devemu_pci_type_modify_bar_stateful_region_default_values(
		f.type, BAR, STATEFUL, of_type, sizeof(of_type)));
	start_device(&f);
	assert_int_equal(host_read(&f, 0, 1), 0x11);
	assert_int_equal(host_read(&f, OTHER, 1), 0);
	OK(doca_devemu_pci_dev_modify_bar_stateful_region_default_values(
		f.pci, BAR, STATEFUL, of_dev, sizeof(of_dev)));
	host_write(&f, 0, 0x33, 1);
	assert_int_equal(host_read(&f, 0, 2), 0x1133);
	pci_func_reset(f.func);
	assert_int_equal(host_read(&f, 0, 2), 0x2222);
	stop_device(&f);
}

/* ---- function level reset ---- */

static void on_flr(struct doca_devemu_pci_dev *pci, union doca_data data)
{
	((struct fix *)data.ptr)->flrs++;
}

static void test_flr(void **state)
{
	struct fix f;
	uint8_t flr;

	make_device(&f);
	OK(doca_devemu_pci_dev_event_flr_register(f.pci, on_flr, (union doca_data){.ptr = &f}));
	start_device(&f);
	/* nothing to be reset yet: nobody is told */
	pci_func_reset(f.func);
	assert_true(pci_func_is_settled(f.func));
	host_write(&f, 0, 1, 4);
	pci_func_reset(f.func);
	assert_false(pci_func_is_settled(f.func));
	assert_int_equal(host_read(&f, 0, 4), 0);
	OK(doca_devemu_pci_dev_is_flr(f.pci, &flr));
	assert_int_equal(flr, 1);
	pci_func_reset(f.func);
	idle(&f);
	assert_int_equal(f.flrs, 1);
	assert_int_equal(f.settled, 0);
	OK(doca_ctx_stop(f.ctx));
	OK(doca_ctx_start(f.ctx));
	assert_int_equal(f.settled, 1);
	OK(doca_devemu_pci_dev_is_flr(f.pci, &flr));
	assert_int_equal(flr, 0);
	/* while nobody serves it */
	OK(doca_ctx_stop(f.ctx));
	host_write(&f, 0, 1, 4);
	pci_func_reset(f.func);
	assert_true(pci_func_is_settled(f.func));
	OK(doca_ctx_start(f.ctx));
	idle(&f);
	assert_int_equal(f.flrs, 1);
	stop_device(&f);
}

/* ---- host memory ---- */

static void on_dma(struct doca_dma_task_memcpy *task, union doca_data task_data,
		   union doca_data ctx_data)
{
	*(doca_error_t *)task_data.ptr = doca_task_get_status(doca_dma_task_memcpy_as_task(task));
}

struct copier {
	struct doca_dma *dma;
	struct doca_mmap *local, *remote;
	struct doca_buf_inventory *inventory;
	uint8_t mem[4096];
};

static void copier_init(struct copier *c, struct fix *f, uint64_t addr, size_t len)
{
	struct doca_ctx *ctx;

	OK(doca_dma_create(f->mgr, &c->dma));
	ctx = doca_dma_as_ctx(c->dma);
	OK(doca_pe_connect_ctx(f->pe, ctx));
	OK(doca_dma_task_memcpy_set_conf(c->dma, on_dma, on_dma, 4));
	OK(doca_ctx_start(ctx));
	OK(doca_buf_inventory_create(8, &c->inventory));
	OK(doca_buf_inventory_start(c->inventory));
	OK(doca_mmap_create(&c->local));
	OK(doca_mmap_set_memrange(c->local, c->mem, sizeof(c->mem)));
	OK(doca_mmap_start(c->local));
	OK(doca_devemu_pci_ep_mmap_create(doca_devemu_pci_dev_as_ep(f->pci), &c->remote));
	OK(doca_mmap_add_dev(c->remote, f->mgr));
	OK(doca_mmap_set_permissions(c->remote, DOCA_ACCESS_FLAG_LOCAL_READ_WRITE));
	OK(doca_mmap_set_memrange(c->remote, (void *)(uintptr_t)addr, len));
	OK(doca_mmap_start(c->remote));
}

static void copier_fini(struct copier *c)
{
	OK(doca_buf_inventory_destroy(c->inventory));
	OK(doca_mmap_destroy(c->remote));
	OK(doca_mmap_destroy(c->local));
	OK(doca_ctx_stop(doca_dma_as_ctx(c->dma)));
	OK(doca_dma_destroy(c->dma));
}

static doca_error_t copier_run(struct copier *c, struct fix *f, bool to_host, uint64_t addr,
			       size_t len)
{
	doca_error_t result = DOCA_ERROR_AGAIN;
	struct doca_dma_task_memcpy *task;
	struct doca_buf *src, *dst;
	size_t done;

	OK(doca_buf_inventory_buf_get_by_data(c->inventory, to_host ? c->local : c->remote,
					      to_host ? c->mem : (void *)(uintptr_t)addr, len,
					      &src));
	OK(doca_buf_inventory_buf_get_by_addr(c->inventory, to_host ? c->remote : c->local,
					      to_host ? (void *)(uintptr_t)addr : c->mem, len,
					      &dst));
	OK(doca_dma_task_memcpy_alloc_init(c->dma, src, dst, (union doca_data){.ptr = &result},
					   &task));
	OK(doca_task_submit(doca_dma_task_memcpy_as_task(task)));
	idle(f);
	OK(doca_buf_get_data_len(dst, &done));
	assert_int_equal(done, result == DOCA_SUCCESS ? len : 0);
	doca_task_free(doca_dma_task_memcpy_as_task(task));
	OK(doca_buf_dec_refcount(src, NULL));
	OK(doca_buf_dec_refcount(dst, NULL));
	return result;
}

/* Two regions side by side on the bus, apart in this process; the second is read only. */
static void set_host_memory(struct fix *f, uint8_t *mem, bool with_second)
{
	struct gm_region r[2] = {
		{.gpa = GPA, .size = MEM_SIZE / 4, .writable = true},
		{.gpa = GPA + MEM_SIZE / 4, .size = MEM_SIZE / 4},
	};
	struct gmem *gm;

	assert_int_equal(gm_map_static(mem, MEM_SIZE / 4, &r[0].map), 0);
	assert_int_equal(gm_map_static(mem + MEM_SIZE / 2, MEM_SIZE / 4, &r[1].map), 0);
	assert_int_equal(gm_create(r, 1 + with_second, &gm), 0);
	pci_func_set_memory(f->func, gm);
	gm_put(gm);
	gm_map_put(r[0].map);
	gm_map_put(r[1].map);
	while (!pci_func_is_settled(f->func))
		idle(f);
}

static void test_host_memory(void **state)
{
	const uint64_t edge = GPA + MEM_SIZE / 4;
	static struct copier c;
	struct doca_mmap *mmap;
	uint8_t *mem = calloc(1, MEM_SIZE);
	struct fix f;

	make_device(&f);
	ERR(BAD_STATE, doca_devemu_pci_mmap_create(f.pci, &mmap));
	start_device(&f);
	copier_init(&c, &f, GPA, MEM_SIZE);
	memset(c.mem, 0x5a, sizeof(c.mem));
	assert_int_equal(copier_run(&c, &f, true, GPA, 100), DOCA_ERROR_IO_FAILED);
	set_host_memory(&f, mem, true);
	assert_int_equal(copier_run(&c, &f, true, GPA + 5, 100), DOCA_SUCCESS);
	assert_int_equal(mem[4], 0);
	assert_int_equal(mem[5], 0x5a);
	assert_int_equal(mem[104], 0x5a);
	assert_int_equal(mem[105], 0);
	/* over the edge of both: reading yes, writing no */
	mem[MEM_SIZE / 4 - 1] = 7;
	mem[MEM_SIZE / 2] = 8;
	assert_int_equal(copier_run(&c, &f, false, edge - 1, 2), DOCA_SUCCESS);
	assert_int_equal(c.mem[0], 7);
	assert_int_equal(c.mem[1], 8);
	assert_int_equal(copier_run(&c, &f, true, edge - 1, 2), DOCA_ERROR_IO_FAILED);
	assert_int_equal(mem[MEM_SIZE / 2], 8);
	/* gone, and back */
	set_host_memory(&f, mem, false);
	assert_int_equal(copier_run(&c, &f, false, edge, 1), DOCA_ERROR_IO_FAILED);
	pci_func_disconnected(f.func);
	assert_int_equal(copier_run(&c, &f, false, GPA, 1), DOCA_ERROR_IO_FAILED);
	set_host_memory(&f, mem, true);
	assert_int_equal(copier_run(&c, &f, false, GPA, 1), DOCA_SUCCESS);
	copier_fini(&c);
	/* one may outlive its device */
	OK(doca_devemu_pci_mmap_create(f.pci, &mmap));
	stop_device(&f);
	OK(doca_mmap_destroy(mmap));
	free(mem);
}

/* ---- what there is not ---- */

static void test_accelerator(void **state)
{
	struct doca_devemu_pci_resources *res;
	struct doca_devemu_pci_msix *msix;
	struct doca_dpa *dpa;
	uint32_t cnt;
	struct fix f;
	uint8_t yes;

	make_device(&f);
	ERR(NOT_SUPPORTED, doca_dpa_create(f.mgr, &dpa));
	ERR(INVALID_VALUE, doca_dpa_create(f.mgr, NULL));
	ERR(INVALID_VALUE, doca_dpa_start(NULL));
	ERR(NOT_SUPPORTED, doca_devemu_pci_ep_create_msix_on_dpa(doca_devemu_pci_dev_as_ep(f.pci),
								 BAR, MSIX_TABLE, 0, 0, &msix));
	ERR(NOT_SUPPORTED,
	    doca_devemu_pci_msix_create_on_dpa(f.pci, BAR, MSIX_TABLE, 0, 0, &msix));
	ERR(INVALID_VALUE, doca_devemu_pci_db_start(NULL));
	assert_null(doca_devemu_pci_dev_as_ep(NULL));
	OK(doca_devemu_pci_cap_is_mmap_add_dev_supported(doca_dev_as_devinfo(f.mgr), &yes));
	assert_int_equal(yes, 1);
	OK(doca_devemu_pci_get_available_resources(doca_dev_as_devinfo(f.mgr), &res));
	OK(doca_devemu_pci_resources_get_num_msix(res, &cnt));
	assert_int_equal(cnt, 2048);
	OK(doca_devemu_pci_resources_get_num_db(res, &cnt));
	assert_int_equal(cnt, 1024);
	OK(doca_devemu_pci_release_resources(res));
	OK(doca_devemu_pci_cap_bar_stateful_region_get_max_num_region_blocks(
		doca_dev_as_devinfo(f.mgr), &cnt));
	assert_int_equal(cnt, 4096);
	OK(doca_devemu_pci_cap_bar_get_max_bar_msix_pba_regions(doca_dev_as_devinfo(f.mgr), &cnt));
	assert_int_equal(cnt, 1);
	start_device(&f);
	stop_device(&f);
}

static int remove_dir(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_type_rules),
		cmocka_unit_test(test_shared_name),
		cmocka_unit_test(test_most_types),
		cmocka_unit_test(test_default_type),
		cmocka_unit_test(test_config_space),
		cmocka_unit_test(test_stateful),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_flr),
		cmocka_unit_test(test_host_memory),
		cmocka_unit_test(test_accelerator),
	};
	char board[512];

	if (!mkdtemp(dir) || setenv("SOFTDPU_STATE_DIR", dir, 1))
		return 1;
	snprintf(board, sizeof(board),
		 "{\"managers\": [{\"VIRTIO_FS_EMULATION_NUM_PF\": 1,"
		 "\"PCI_SWITCH_EMULATION_ENABLE\": 1, \"PCI_SWITCH_EMULATION_NUM_PORT\": 4,"
		 "\"functions\": [{\"transport\": \"loop\"}],"
		 "\"hotplug\": {\"transport\": \"vfio-user\", \"dir\": \"%s\"}}]}", dir);
	if (softdpu_board_set(board) != DOCA_SUCCESS)
		return 1;
	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
