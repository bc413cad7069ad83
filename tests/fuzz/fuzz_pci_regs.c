/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile host at the registers of a function with a whole device behind them: random accesses,
 * interrupts, memory tables, rings and resets, in no order, while the application holds requests,
 * gives them back, and stops and starts. The device lives as long as the process, its function as
 * long as one input. Checked besides the sanitizers: registers hold what the specification lets
 * them hold, everything settles when the host has gone, and every descriptor is closed.
 */
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devemu/pci_func.h"
#include "devemu/vdev.h"
#include "input.h"
#include "softdpu_ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GUEST_SIZE 0x10000u
#define GPA 0x40000000ull
#define QUEUES 3
#define VECTORS 5
#define MAX_OPS 256
#define MAX_HELD 64
#define MAX_FDS 512
#define OK(call) MUST((call) == DOCA_SUCCESS)

static const char board[] =
	"{\"managers\": [{\"VIRTIO_FS_EMULATION_NUM_PF\": 1, \"VIRTIO_FS_EMULATION_NUM_MSIX\": 5,"
	"\"functions\": [{\"transport\": \"loop\"}]}]}";

static struct {
	struct doca_pe *pe;
	struct doca_devemu_vfs_dev *dev;
	struct doca_devemu_virtio_dev *vdev;
	struct doca_devemu_pci_dev *pci;
	struct doca_devemu_vfs_io *io;
	struct doca_ctx *dev_ctx, *io_ctx;
	struct pci_func *func; /* of this input; NULL between two */
	struct doca_devemu_vfs_req *held[MAX_HELD];
	unsigned int nr_held;
	bool hold, told; /* told: a reset waits for reset_complete() */
	bool flr; /* one waits for stop and start */
	int event;
} fz;

static uint8_t guest[GUEST_SIZE] __attribute__((aligned(4096)));

/* ---- a transport that is not there ---- */

static int port_open(struct doca_devemu_pci_dev *pci, const struct function *fn,
		     struct doca_pe *pe, void **ret_port)
{
	*ret_port = &fz;
	return 0;
}

static int port_plug(void *port)
{
	return 0;
}

static void port_unplug(void *port, bool force)
{
}

static void port_close(void *port)
{
}

static void port_needs_reset(void *port, uint16_t q)
{
	if (fz.func)
		pci_func_needs_reset(fz.func);
}

static void port_config_changed(void *port)
{
	if (fz.func)
		pci_func_config_changed(fz.func);
}

static const struct transport_ops port_ops = {
	.name = "loop",
	.open = port_open,
	.plug = port_plug,
	.unplug = port_unplug,
	.close = port_close,
	.needs_reset = port_needs_reset,
	.config_changed = port_config_changed,
};

const struct transport_ops *transport_find(const char *name)
{
	return &port_ops;
}

static void on_settled(void *port)
{
}

static const struct pci_func_ops func_ops = {
	.settled = on_settled,
};

/* ---- the application ---- */

static void on_req(struct doca_devemu_vfs_req *req, void *user, union doca_data data)
{
	if (fz.hold && fz.nr_held < MAX_HELD)
		fz.held[fz.nr_held++] = req;
	else
		doca_devemu_vfs_req_complete(req, 16);
}

static void complete_held(void)
{
	while (fz.nr_held)
		doca_devemu_vfs_req_complete(fz.held[--fz.nr_held], 16);
}

static void on_reset(struct doca_devemu_virtio_dev *dev, union doca_data data)
{
	fz.told = true;
}

static void on_flr(struct doca_devemu_pci_dev *pci, union doca_data data)
{
	fz.flr = true;
}

static enum doca_ctx_states state_of(struct doca_ctx *ctx)
{
	enum doca_ctx_states state;

	OK(doca_ctx_get_state(ctx, &state));
	return state;
}

static void progress(unsigned int times)
{
	while (times--)
		doca_pe_progress(fz.pe);
}

static void restart(void)
{
	complete_held();
	doca_ctx_stop(fz.dev_ctx);
	doca_ctx_stop(fz.io_ctx);
	for (int i = 0; i < 1000 && state_of(fz.dev_ctx) != DOCA_CTX_STATE_IDLE; i++)
		progress(10);
	MUST(state_of(fz.dev_ctx) == DOCA_CTX_STATE_IDLE);
	doca_ctx_start(fz.dev_ctx);
	OK(doca_ctx_start(fz.io_ctx));
	for (int i = 0; i < 1000 && state_of(fz.dev_ctx) != DOCA_CTX_STATE_RUNNING; i++)
		progress(10);
	MUST(state_of(fz.dev_ctx) == DOCA_CTX_STATE_RUNNING);
	fz.told = fz.flr = false;
}

/* What the application does about resets, sooner or later. */
static void answer_resets(void)
{
	if (fz.flr) {
		restart();
	} else if (fz.told) {
		complete_held();
		progress(10);
		if (doca_devemu_virtio_dev_reset_complete(fz.vdev) != DOCA_ERROR_IN_USE)
			fz.told = false;
	}
}

static void open_device(void)
{
	const char tag[DOCA_VFS_TAG_SIZE] = "fuzz";
	const union doca_data none = {0};
	struct doca_devemu_vfs_type *type;
	struct doca_devinfo_rep **reps;
	struct doca_devinfo **list;
	struct doca_dev_rep *rep;
	struct doca_dev *mgr;
	uint32_t cnt;

	OK(softdpu_board_set(board));
	OK(doca_pe_create(&fz.pe));
	OK(doca_devinfo_create_list(&list, &cnt));
	OK(doca_dev_open(list[0], &mgr));
	OK(doca_devemu_vfs_find_default_vfs_type_by_dev(mgr, &type));
	OK(doca_devemu_pci_type_create_rep_list(doca_devemu_vfs_type_as_pci_type(type), &reps,
						&cnt));
	OK(doca_devinfo_destroy_list(list));
	OK(doca_dev_rep_open(reps[0], &rep));
	OK(doca_devinfo_rep_destroy_list(reps));
	OK(doca_devemu_vfs_dev_create(type, rep, fz.pe, &fz.dev));
	fz.vdev = doca_devemu_vfs_dev_as_virtio_dev(fz.dev);
	fz.pci = doca_devemu_vfs_dev_as_pci_dev(fz.dev);
	fz.dev_ctx = doca_devemu_vfs_dev_as_ctx(fz.dev);
	OK(doca_devemu_vfs_dev_set_tag(fz.dev, tag));
	OK(doca_devemu_vfs_dev_set_num_request_queues(fz.dev, QUEUES - 1));
	OK(doca_devemu_virtio_dev_set_num_queues(fz.vdev, QUEUES));
	OK(doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(fz.vdev, 1));
	OK(doca_devemu_virtio_dev_event_reset_register(fz.vdev, on_reset, none));
	OK(doca_devemu_pci_dev_event_flr_register(fz.pci, on_flr, none));
	MUST(doca_ctx_start(fz.dev_ctx) == DOCA_ERROR_IN_PROGRESS);
	OK(doca_devemu_vfs_io_create(fz.dev, fz.pe, &fz.io));
	fz.io_ctx = doca_devemu_vfs_io_as_ctx(fz.io);
	OK(doca_devemu_vfs_io_event_vfs_req_notice_register(fz.io, on_req, none));
	OK(doca_ctx_start(fz.io_ctx));
	progress(100);
	MUST(state_of(fz.dev_ctx) == DOCA_CTX_STATE_RUNNING);
	fz.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* ---- the host ---- */

static void bar_write(uint64_t offset, uint64_t value, size_t len)
{
	pci_func_write(fz.func, 0, offset, &value, len);
}

static uint64_t bar_read(uint64_t offset, size_t len)
{
	uint64_t value = 0;

	MUST(!pci_func_read(fz.func, 0, offset, &value, len));
	return value;
}

static void op_access(struct input *in)
{
	uint8_t region = input_u8(in), buf[300];
	uint64_t offset = input_u16(in) & 0x3fff;
	size_t len = input_u8(in);

	if (region & 0x80) /* most of them where the registers are */
		offset &= region & 0x40 ? 0xff : 0x303f;
	region = region & 0x20 ? PCI_FUNC_REGION_CONFIG : region & 3;
	if (region && region != PCI_FUNC_REGION_CONFIG)
		region = region == 3 ? 9 : 2;
	if (len & 1) {
		pci_func_read(fz.func, region, offset, buf, len);
		return;
	}
	len = len < 0xe0 ? 1u << (len >> 1 & 3) : len;
	input_bytes(in, buf, len);
	pci_func_write(fz.func, region, offset, buf, len);
}

static void op_common(struct input *in)
{
	uint8_t offset = input_u8(in) & 0x3f, len = input_u8(in);
	uint64_t value = len & 0x10 ? input_u32(in) : input_u8(in);

	bar_write(offset, len & 0x20 ? value + GPA : value, 1u << (len & 3));
}

static void op_irq(struct input *in)
{
	uint8_t index = input_u8(in), vector = input_u8(in);

	if (index & 0x80)
		pci_func_trigger(fz.func, index & 7, vector & 7);
	else if (index & 0x40)
		pci_func_mask_intx(fz.func, vector & 1);
	else
		pci_func_set_irq(fz.func, index & 7, vector & 7,
				 index & 0x20 ? -1 : fcntl(fz.event, F_DUPFD_CLOEXEC, 0));
}

/* Pieces of the guest, which of them says the input. */
static void op_memory(struct input *in)
{
	struct gm_region r[4];
	uint8_t which = input_u8(in);
	unsigned int i, nr = 0;
	struct gmem *gm;

	for (i = 0; i < 4; i++) {
		if (!(which >> i & 1))
			continue;
		r[nr] = (struct gm_region){.gpa = GPA + i * (GUEST_SIZE / 4),
					   .size = GUEST_SIZE / 4,
					   .writable = !(which >> (4 + i) & 1)};
		MUST(!gm_map_static(guest + i * (GUEST_SIZE / 4), GUEST_SIZE / 4, &r[nr++].map));
	}
	MUST(!gm_create(r, nr, &gm));
	for (i = 0; i < nr; i++)
		gm_map_put(r[i].map);
	pci_func_set_memory(fz.func, gm);
	gm_put(gm);
}

/* A driver as it should be, up to DRIVER_OK. */
static void op_driver(struct input *in)
{
	uint8_t all = 0x0f;
	struct input mem = {&all, 1};
	unsigned int q;

	op_memory(&mem);
	bar_write(VIRTIO_PCI_COMMON_STATUS, 3, 1);
	bar_write(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	bar_write(VIRTIO_PCI_COMMON_GF, 0x101, 4);
	bar_write(VIRTIO_PCI_COMMON_STATUS, 11, 1);
	for (q = 0; q < QUEUES; q++) {
		uint64_t base = GPA + q * (GUEST_SIZE / 4);

		bar_write(VIRTIO_PCI_COMMON_Q_SELECT, q, 2);
		bar_write(VIRTIO_PCI_COMMON_Q_SIZE, 16, 2);
		bar_write(VIRTIO_PCI_COMMON_Q_MSIX, q + 1, 2);
		bar_write(VIRTIO_PCI_COMMON_Q_DESCLO, base, 8);
		bar_write(VIRTIO_PCI_COMMON_Q_AVAILLO, base + 0x1000, 8);
		bar_write(VIRTIO_PCI_COMMON_Q_USEDLO, base + 0x2000, 8);
		bar_write(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	}
	bar_write(VIRTIO_PCI_COMMON_STATUS, input_u8(in) & 1 ? 15 : 11, 1);
}

/* A request on a queue of such a driver, or what the input makes of one. */
static void op_request(struct input *in)
{
	uint8_t q = input_u8(in) % QUEUES, how = input_u8(in);
	uint8_t *base = guest + q * (GUEST_SIZE / 4);
	struct vring_avail *avail = (void *)(base + 0x1000);
	struct vring_desc *desc = (void *)base;
	const uint32_t header[2] = {40, 26};

	memcpy(base + 0x3000, header, sizeof(header));
	desc[0] = (struct vring_desc){GPA + q * (GUEST_SIZE / 4) + 0x3000, 40, VRING_DESC_F_NEXT,
				      1};
	desc[1] = (struct vring_desc){GPA + q * (GUEST_SIZE / 4) + 0x3800, 256,
				      VRING_DESC_F_WRITE, 0};
	if (how & 1)
		input_bytes(in, desc, 32);
	avail->ring[avail->idx % 16] = how & 2 ? input_u8(in) : 0;
	avail->idx = (uint16_t)(avail->idx + (how & 4 ? input_u8(in) : 1));
	bar_write(0x3000 + 4u * q, q, 2);
}

static void op_application(struct input *in)
{
	uint8_t what = input_u8(in);

	fz.hold = what & 1;
	if (what & 2)
		complete_held();
	if (what & 4)
		answer_resets();
	if ((what & 0x38) == 0x38)
		restart();
}

static void op_end(struct input *in)
{
	if (input_u8(in) & 1)
		pci_func_reset(fz.func);
	else
		pci_func_disconnected(fz.func);
}

static void op_wait(struct input *in)
{
	progress(input_u8(in) & 0x3f);
}

static void (*const ops[])(struct input *in) = {
	op_access, op_common, op_common, op_irq, op_memory, op_driver, op_request,
	op_request, op_application, op_end, op_wait, op_wait,
};

/* ---- what must hold ---- */

static void check_registers(void)
{
	uint64_t select = bar_read(VIRTIO_PCI_COMMON_Q_SELECT, 2);
	uint64_t size = bar_read(VIRTIO_PCI_COMMON_Q_SIZE, 2);
	uint64_t vector = bar_read(VIRTIO_PCI_COMMON_MSIX, 2);
	uint64_t status = bar_read(VIRTIO_PCI_COMMON_STATUS, 1);

	MUST(bar_read(VIRTIO_PCI_COMMON_NUMQ, 2) == QUEUES);
	MUST(select < QUEUES ? size && !(size & (size - 1)) && size <= 256 : !size);
	MUST(vector < VECTORS || vector == VIRTIO_MSI_NO_VECTOR);
	vector = bar_read(VIRTIO_PCI_COMMON_Q_MSIX, 2);
	MUST(vector < VECTORS || vector == VIRTIO_MSI_NO_VECTOR);
	MUST(bar_read(VIRTIO_PCI_COMMON_Q_ENABLE, 2) <= 1);
	MUST(!(status & VIRTIO_CONFIG_S_DRIVER_OK) || status & VIRTIO_CONFIG_S_FEATURES_OK);
}

static unsigned int count_fds(void)
{
	unsigned int cnt = 0;

	for (int fd = 0; fd < MAX_FDS; fd++)
		cnt += fcntl(fd, F_GETFD) >= 0;
	return cnt;
}

static void finish(void)
{
	fz.hold = false;
	pci_func_disconnected(fz.func);
	for (int i = 0; i < 1000 && !pci_func_is_settled(fz.func); i++) {
		complete_held();
		answer_resets();
		progress(100);
	}
	/* memory that was given up may be waited for, but nobody uses it any more */
	for (int i = 0; i < 1000 && !pci_func_is_settled(fz.func); i++) {
		usleep(1000);
		progress(1);
	}
	MUST(pci_func_is_settled(fz.func));
	MUST(bar_read(VIRTIO_PCI_COMMON_STATUS, 1) == 0);
	pci_func_destroy(fz.func);
	fz.func = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	unsigned int i, fds;

	if (!fz.pe)
		open_device();
	memset(guest, 0, sizeof(guest));
	progress(10);
	fds = count_fds();
	fz.pci->fn->doorbell_mapped = input_u8(&in) & 1;
	MUST(!pci_func_create(fz.pci, &func_ops, NULL, &fz.func));
	for (i = 0; i < MAX_OPS && in.left; i++) {
		ops[input_u8(&in) % (sizeof(ops) / sizeof(ops[0]))](&in);
		check_registers();
	}
	finish();
	MUST(count_fds() == fds);
	return 0;
}
