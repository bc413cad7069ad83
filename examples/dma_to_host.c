/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A PCI device that writes to the host's memory: the host puts a bus address into register 0 and
 * the number of bytes into register 1; the device fills them with a text and sets register 2 to how
 * many it wrote, or to all ones if it could not.
 *
 * usage: dma_to_host
 */
#include <stdio.h>
#include <string.h>

#include <doca_buf.h>
#include <doca_buf_inventory.h>
#include <doca_dma.h>
#include <doca_mmap.h>

#include "register_device.h"

#define FAILED UINT64_MAX

struct dma_device {
	struct register_device regs;
	struct doca_dma *dma;
	struct doca_mmap *local;
	struct doca_buf_inventory *inventory;
	struct doca_mmap *host; /* of the copy under way, or NULL */
	struct doca_buf *src, *dst;
};

static char text[] = "written by the device\n";

static struct dma_device *of_regs(struct register_device *regs)
{
	return (struct dma_device *)regs; /* its first member */
}

static void copy_end(struct dma_device *d, uint64_t result)
{
	if (d->dst)
		MUST(doca_buf_dec_refcount(d->dst, NULL));
	MUST(doca_mmap_destroy(d->host));
	d->dst = NULL;
	d->host = NULL;
	register_device_set(&d->regs, 2, result);
	printf("%s\n", result == FAILED ? "could not write there" : "written");
	fflush(stdout);
}

static void on_done(struct doca_dma_task_memcpy *task, union doca_data task_data,
		    union doca_data ctx_data)
{
	size_t len;

	MUST(doca_buf_get_data_len(doca_dma_task_memcpy_get_src(task), &len));
	doca_task_free(doca_dma_task_memcpy_as_task(task));
	copy_end(task_data.ptr, len);
}

static void on_error(struct doca_dma_task_memcpy *task, union doca_data task_data,
		     union doca_data ctx_data)
{
	doca_task_free(doca_dma_task_memcpy_as_task(task));
	copy_end(task_data.ptr, FAILED);
}

/* Memory of the host, by its bus address. It is the host's to say what may be reached. */
static doca_error_t map_host(struct dma_device *d, void *bus_addr, size_t len)
{
	doca_error_t result;

	MUST(doca_devemu_pci_mmap_create(d->regs.pci, &d->host));
	MUST(doca_mmap_set_memrange(d->host, bus_addr, len));
	MUST(doca_mmap_set_permissions(d->host, DOCA_ACCESS_FLAG_LOCAL_READ_WRITE));
	result = doca_mmap_start(d->host);
	if (result != DOCA_SUCCESS)
		return result;
	return doca_buf_inventory_buf_get_by_addr(d->inventory, d->host, bus_addr, len, &d->dst);
}

static void copy_begin(struct register_device *regs)
{
	struct dma_device *d = of_regs(regs);
	void *bus_addr = (void *)(uintptr_t)regs->reg[0];
	size_t len = regs->reg[1] < sizeof(text) ? regs->reg[1] : sizeof(text);
	struct doca_dma_task_memcpy *task;

	if (!len || d->host) /* the address is written first, then the length */
		return;
	register_device_set(regs, 1, 0);
	if (map_host(d, bus_addr, len) != DOCA_SUCCESS) {
		copy_end(d, FAILED);
		return;
	}
	MUST(doca_buf_set_data(d->src, text, len));
	MUST(doca_dma_task_memcpy_alloc_init(d->dma, d->src, d->dst, (union doca_data){.ptr = d},
					     &task));
	MUST(doca_task_submit(doca_dma_task_memcpy_as_task(task)));
}

static void dma_open(struct dma_device *d)
{
	struct doca_ctx *ctx;

	MUST(doca_dma_create(d->regs.dev, &d->dma));
	ctx = doca_dma_as_ctx(d->dma);
	MUST(doca_pe_connect_ctx(d->regs.pe, ctx));
	MUST(doca_dma_task_memcpy_set_conf(d->dma, on_done, on_error, 1));
	MUST(doca_ctx_start(ctx));
	MUST(doca_mmap_create(&d->local));
	MUST(doca_mmap_add_dev(d->local, d->regs.dev));
	MUST(doca_mmap_set_memrange(d->local, text, sizeof(text)));
	MUST(doca_mmap_start(d->local));
	MUST(doca_buf_inventory_create(2, &d->inventory));
	MUST(doca_buf_inventory_start(d->inventory));
	MUST(doca_buf_inventory_buf_get_by_addr(d->inventory, d->local, text, sizeof(text),
						&d->src));
}

static void dma_close(struct dma_device *d)
{
	struct doca_ctx *ctx = doca_dma_as_ctx(d->dma);

	while (d->host)
		progress_or_sleep(d->regs.pe);
	MUST(doca_ctx_stop(ctx));
	progress_until_state(d->regs.pe, ctx, DOCA_CTX_STATE_IDLE);
	MUST(doca_dma_destroy(d->dma));
	MUST(doca_buf_dec_refcount(d->src, NULL));
	MUST(doca_buf_inventory_destroy(d->inventory));
	MUST(doca_mmap_destroy(d->local));
}

int main(void)
{
	static struct dma_device d = {.regs.written = copy_begin};

	register_device_open(&d.regs, "writer");
	dma_open(&d);
	register_device_serve(&d.regs);
	dma_close(&d);
	register_device_close(&d.regs);
	return 0;
}
