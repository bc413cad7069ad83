/* SPDX-License-Identifier: BSD-3-Clause */
#include "app_like.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <doca_buf.h>
#include <doca_buf_pool.h>
#include <doca_ctx.h>
#include <doca_dev.h>
#include <doca_devemu_pci.h>
#include <doca_devemu_vfs.h>
#include <doca_devemu_vfs_dev.h>
#include <doca_devemu_vfs_io.h>
#include <doca_devemu_vfs_type.h>
#include <doca_devemu_virtio.h>
#include <doca_dma.h>
#include <doca_error.h>
#include <doca_mmap.h>
#include <doca_pe.h>

#define NR_POOLS 3
#define POOL_BUFS 512
#define MAX_FUNCTIONS 8
#define MAX_INFLIGHT 128 /* per thread; beyond it the I/O engine is left alone */
#define DMA_TASKS (APP_QUEUE_SIZE * (APP_REQUEST_QUEUES + 1) * 3)
#define ADMIN_PERIOD_NS 10000000ull

#define CHECK(condition) \
	do { \
		if (!(condition)) \
			give_up(__LINE__, #condition, DOCA_SUCCESS); \
	} while (0)
#define MUST(wanted, call) \
	do { \
		doca_error_t _ret = (call); \
		if (_ret != DOCA_##wanted) \
			give_up(__LINE__, #call, _ret); \
	} while (0)

enum { WANT_STOP_IO = 1, WANT_START_IO = 2 };

struct pool {
	void *mem;
	size_t element_size;
	struct doca_mmap *mmap;
	struct doca_buf_pool *bufs;
};

struct thread {
	struct app *app;
	pthread_t id;
	pthread_mutex_t lock; /* held by the thread except between two rounds */
	int suspend; /* atomic: somebody wants the lock */
	int stop; /* atomic */
	unsigned int want; /* atomic */
	struct doca_pe *io_pe, *dma_pe;
	struct doca_pe *admin_pe; /* of the first thread only */
	uint64_t next_admin_ns;
	struct pool pool[NR_POOLS];
	struct doca_devemu_vfs_io *io;
	struct doca_dma *dma;
	struct record *held;
	unsigned int inflight;
	unsigned int submitted, reported; /* DMA tasks */
	bool in_submit;
	uint8_t file[APP_FILE_BYTES];
};

struct function {
	struct doca_dev_rep *rep;
	uint8_t is_hotplug;
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
};

struct app {
	struct doca_dev *manager;
	struct doca_devemu_vfs_type *type;
	struct function function[MAX_FUNCTIONS];
	uint32_t nr_functions;
	struct doca_dev_rep *rep; /* the device's own opening */
	struct doca_devemu_vfs_dev *dev;
	struct doca_ctx *ctx;
	struct thread thread[APP_THREADS];
	bool restart; /* in the IDLE callback of the device */
	int state; /* atomic: of the device */
	unsigned int resets, held, forgets; /* atomic */
};

/* What this program keeps in the user area of a request. */
struct record {
	unsigned int uses, completed; /* of the same area: kept from one request to the next */
	struct doca_devemu_vfs_fuse_req *req;
	struct fuse_in_header *in;
	struct fuse_out_header *out;
	void *arg, *reply;
	struct doca_buf *buf; /* of a pool */
	struct doca_buf *element; /* next of dataout */
	uint32_t sent, left;
	unsigned int seq; /* of its DMA task */
	void (*then)(struct record *r);
};

static __thread struct thread *self;

static __attribute__((noreturn)) void give_up(int line, const char *what, doca_error_t got)
{
	fprintf(stderr, "app_like.c:%d: %s: %s\n", line, what, doca_error_get_name(got));
	abort();
}

/* ---- copying ---- */

static void on_copied(struct doca_dma_task_memcpy *task, union doca_data task_user_data,
		      union doca_data ctx_user_data)
{
	struct record *r = task_user_data.ptr;

	CHECK(ctx_user_data.ptr == self);
	CHECK(!self->in_submit);
	CHECK(r->seq == self->reported);
	self->reported++;
	doca_task_free(doca_dma_task_memcpy_as_task(task));
	r->then(r);
}

static void on_copy_failed(struct doca_dma_task_memcpy *task, union doca_data task_user_data,
			   union doca_data ctx_user_data)
{
	(void)task_user_data;
	(void)ctx_user_data;
	give_up(__LINE__, "a copy", doca_task_get_status(doca_dma_task_memcpy_as_task(task)));
}

static void copy(struct record *r, struct doca_buf *src, struct doca_buf *dst,
		 void (*then)(struct record *r))
{
	union doca_data cookie = {.ptr = r};
	struct doca_dma_task_memcpy *task;

	r->then = then;
	MUST(SUCCESS, doca_dma_task_memcpy_alloc_init(self->dma, src, dst, cookie, &task));
	self->in_submit = true;
	MUST(SUCCESS, doca_task_submit(doca_dma_task_memcpy_as_task(task)));
	self->in_submit = false;
	r->seq = self->submitted++; /* known only after the submission: no callback before that */
}

static struct doca_buf *take_buf(size_t len)
{
	struct doca_buf *buf;

	for (int i = 0; i < NR_POOLS; i++) {
		if (len > self->pool[i].element_size)
			continue;
		MUST(SUCCESS, doca_buf_pool_buf_alloc(self->pool[i].bufs, &buf));
		return buf;
	}
	give_up(__LINE__, "no buffer of this size", DOCA_ERROR_TOO_BIG);
}

static void *buf_memory(struct doca_buf *buf)
{
	void *head;

	MUST(SUCCESS, doca_buf_get_head(buf, &head));
	return head;
}

/* ---- requests ---- */

static struct record *begin(struct doca_devemu_vfs_fuse_req *req, void *user_data,
			    struct fuse_in_header *in, void *arg, struct fuse_out_header *out,
			    void *reply)
{
	struct record *r = user_data;

	CHECK(r->uses == r->completed);
	CHECK(r->uses || !r->req); /* zero before the first use */
	CHECK(!reply || reply == (void *)(out + 1));
	r->uses++;
	r->req = req;
	r->in = in;
	r->arg = arg;
	r->out = out;
	r->reply = reply;
	r->buf = NULL;
	self->inflight++;
	return r;
}

static void complete(struct record *r, doca_error_t status)
{
	if (r->buf)
		MUST(SUCCESS, doca_buf_dec_refcount(r->buf, NULL));
	self->inflight--;
	doca_devemu_vfs_fuse_req_complete(r->req, status);
	r->completed++; /* the area outlives the completion */
}

static void succeed(struct record *r, uint32_t len)
{
	r->out->len = (uint32_t)sizeof(*r->out) + len;
	r->out->unique = r->in->unique;
	r->out->error = 0;
	complete(r, DOCA_SUCCESS);
}

static void fail(struct record *r, int error)
{
	r->out->error = error;
	complete(r, DOCA_ERROR_UNKNOWN);
}

static size_t list_len(struct doca_buf *buf)
{
	size_t sum = 0, len;

	while (buf) {
		MUST(SUCCESS, doca_buf_get_data_len(buf, &len));
		sum += len;
		MUST(SUCCESS, doca_buf_get_next_in_list(buf, &buf));
	}
	return sum;
}

/* All of datain into one pool buffer. */
static void take_datain(struct record *r, struct doca_buf *datain, void (*then)(struct record *r))
{
	r->buf = take_buf(list_len(datain));
	copy(r, datain, r->buf, then);
}

/* From the pool buffer into dataout, one element after the other. */
static void send_dataout(struct record *r)
{
	struct doca_buf *element = r->element;
	size_t room;
	uint32_t now;

	if (!r->left || !element) {
		succeed(r, r->sent);
		return;
	}
	MUST(SUCCESS, doca_buf_get_data_len(element, &room));
	now = r->left < room ? r->left : (uint32_t)room;
	MUST(SUCCESS, doca_buf_set_data(r->buf, (uint8_t *)buf_memory(r->buf) + r->sent, now));
	MUST(SUCCESS, doca_buf_reset_data_len(element));
	MUST(SUCCESS, doca_buf_get_next_in_list(element, &r->element));
	r->sent += now;
	r->left -= now;
	copy(r, r->buf, element, send_dataout);
}

static void on_init(struct doca_devemu_vfs_fuse_req *req, void *user_data,
		    struct fuse_in_header *in, struct fuse_init_in *arg,
		    struct fuse_out_header *out, struct fuse_init_out *reply)
{
	struct record *r = begin(req, user_data, in, arg, out, reply);

	reply->major = 7;
	reply->minor = 34;
	reply->max_readahead = reply->max_write = 131072;
	reply->max_pages = 32;
	reply->flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES;
	succeed(r, sizeof(*reply));
}

static void looked_up(struct record *r)
{
	const char *name = buf_memory(r->buf);

	if (!strcmp(name, APP_NAME_HELD)) {
		self->held = r;
	} else if (!strcmp(name, APP_NAME_MISSING)) {
		fail(r, -ENOENT);
	} else {
		((struct fuse_entry_out *)r->reply)->nodeid = strlen(name);
		succeed(r, sizeof(struct fuse_entry_out));
	}
}

static void on_lookup(struct doca_devemu_vfs_fuse_req *req, void *user_data,
		      struct fuse_in_header *in, struct doca_buf *datain,
		      struct fuse_out_header *out, struct fuse_entry_out *reply)
{
	take_datain(begin(req, user_data, in, NULL, out, reply), datain, looked_up);
}

/* The name is taken from where it was staged, behind the argument; datain has it, too. */
static void made_dir(struct record *r)
{
	const char *name = (const char *)((struct fuse_mkdir_in *)r->arg + 1);

	CHECK(!strcmp(name, buf_memory(r->buf)));
	((struct fuse_entry_out *)(r->out + 1))->nodeid = 1000 + strlen(name);
	succeed(r, sizeof(struct fuse_entry_out));
}

static void on_mkdir(struct doca_devemu_vfs_fuse_req *req, void *user_data,
		     struct fuse_in_header *in, struct fuse_mkdir_in *arg,
		     struct doca_buf *datain, struct fuse_out_header *out,
		     struct fuse_entry_out *reply)
{
	take_datain(begin(req, user_data, in, arg, out, reply), datain, made_dir);
}

static bool is_in_file(uint64_t offset, uint32_t size)
{
	return offset <= APP_FILE_BYTES && size <= APP_FILE_BYTES - offset;
}

static void wrote(struct record *r)
{
	const struct fuse_write_in *arg = r->arg;

	memcpy(self->file + arg->offset, buf_memory(r->buf), arg->size);
	((struct fuse_write_out *)r->reply)->size = arg->size;
	succeed(r, sizeof(struct fuse_write_out));
}

static void on_write(struct doca_devemu_vfs_fuse_req *req, void *user_data,
		     struct fuse_in_header *in, struct fuse_write_in *arg,
		     struct doca_buf *datain, struct fuse_out_header *out,
		     struct fuse_write_out *reply)
{
	struct record *r = begin(req, user_data, in, arg, out, reply);

	if (is_in_file(arg->offset, arg->size) && list_len(datain) == arg->size)
		take_datain(r, datain, wrote);
	else
		fail(r, -EFBIG);
}

static void on_read(struct doca_devemu_vfs_fuse_req *req, void *user_data,
		    struct fuse_in_header *in, struct fuse_read_in *arg,
		    struct fuse_out_header *out, struct doca_buf *dataout)
{
	struct record *r = begin(req, user_data, in, arg, out, NULL);

	if (!is_in_file(arg->offset, arg->size)) {
		fail(r, -EINVAL);
		return;
	}
	CHECK(list_len(dataout) >= arg->size); /* data_len is the room there is */
	r->buf = take_buf(arg->size);
	memcpy(buf_memory(r->buf), self->file + arg->offset, arg->size);
	r->element = dataout;
	r->sent = 0;
	r->left = arg->size;
	send_dataout(r);
}

static void on_forget(struct doca_devemu_vfs_fuse_req *req, void *user_data,
		      struct fuse_in_header *in, struct fuse_forget_in *arg)
{
	complete(begin(req, user_data, in, arg, NULL, NULL), DOCA_SUCCESS);
	__atomic_fetch_add(&self->app->forgets, 1, __ATOMIC_RELEASE);
}

/* ---- I/O contexts: on their thread ---- */

static void start_dma(struct thread *t)
{
	union doca_data cookie = {.ptr = t};
	struct doca_ctx *ctx;
	uint32_t max_tasks;

	MUST(SUCCESS, doca_dma_create(t->app->manager, &t->dma));
	ctx = doca_dma_as_ctx(t->dma);
	MUST(SUCCESS, doca_dma_cap_get_max_num_tasks(t->dma, &max_tasks));
	CHECK(max_tasks >= 195840);
	MUST(SUCCESS, doca_pe_connect_ctx(t->dma_pe, ctx));
	MUST(SUCCESS, doca_ctx_set_user_data(ctx, cookie));
	MUST(SUCCESS, doca_dma_task_memcpy_set_conf(t->dma, on_copied, on_copy_failed, DMA_TASKS));
	MUST(SUCCESS, doca_dma_set_ordered_completions(t->dma, 1));
	MUST(SUCCESS, doca_ctx_start(ctx));
	t->submitted = t->reported = 0;
}

/* The last the library says of an I/O context: everything goes, the context itself included. */
static void on_io_state(const union doca_data user_data, struct doca_ctx *ctx,
			enum doca_ctx_states prev_state, enum doca_ctx_states next_state)
{
	struct thread *t = user_data.ptr;

	(void)ctx;
	if (prev_state != DOCA_CTX_STATE_STOPPING || next_state != DOCA_CTX_STATE_IDLE)
		return;
	CHECK(self == t && !t->inflight);
	MUST(SUCCESS, doca_ctx_stop(doca_dma_as_ctx(t->dma)));
	MUST(SUCCESS, doca_dma_destroy(t->dma));
	MUST(SUCCESS, doca_devemu_vfs_io_destroy(t->io));
	t->io = NULL;
}

#define REGISTER(op) \
	MUST(SUCCESS, doca_devemu_vfs_io_event_vfs_fuse_##op##_req_handler_register(t->io, on_##op))

static void start_io(struct thread *t)
{
	union doca_data cookie = {.ptr = t};
	struct doca_ctx *ctx;

	CHECK(!t->io);
	start_dma(t);
	MUST(SUCCESS, doca_devemu_vfs_io_create(t->app->dev, t->io_pe, &t->io));
	REGISTER(init);
	REGISTER(lookup);
	REGISTER(mkdir);
	REGISTER(write);
	REGISTER(read);
	REGISTER(forget);
	ctx = doca_devemu_vfs_io_as_ctx(t->io);
	MUST(SUCCESS, doca_ctx_set_user_data(ctx, cookie));
	MUST(SUCCESS, doca_ctx_set_state_changed_cb(ctx, on_io_state));
	MUST(SUCCESS, doca_ctx_start(ctx));
}

static void stop_io(struct thread *t)
{
	MUST(ERROR_IN_PROGRESS, doca_ctx_stop(doca_devemu_vfs_io_as_ctx(t->io)));
	if (!t->held)
		return;
	fail(t->held, -EINTR);
	t->held = NULL;
	__atomic_fetch_add(&t->app->held, 1, __ATOMIC_RELAXED);
}

static void want(struct app *app, unsigned int what)
{
	for (int i = 0; i < APP_THREADS; i++)
		__atomic_fetch_or(&app->thread[i].want, what, __ATOMIC_ACQ_REL);
}

/* ---- threads ---- */

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void one_round(struct thread *t)
{
	unsigned int what = __atomic_exchange_n(&t->want, 0, __ATOMIC_ACQ_REL);
	int i;

	if (what & WANT_STOP_IO)
		stop_io(t);
	if (what & WANT_START_IO)
		start_io(t);
	for (i = 0; i < 32 && t->inflight < MAX_INFLIGHT && doca_pe_progress(t->io_pe); i++)
		;
	for (i = 0; i < 32 && doca_pe_progress(t->dma_pe); i++)
		;
	if (!t->admin_pe || now_ns() < t->next_admin_ns)
		return;
	t->next_admin_ns = now_ns() + ADMIN_PERIOD_NS;
	for (i = 0; i < 32 && doca_pe_progress(t->admin_pe); i++)
		;
}

static void *run_thread(void *arg)
{
	struct thread *t = arg;

	self = t;
	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		if (!__atomic_load_n(&t->suspend, __ATOMIC_ACQUIRE)) {
			pthread_mutex_lock(&t->lock);
			one_round(t);
			pthread_mutex_unlock(&t->lock);
		}
		sched_yield();
	}
	return NULL;
}

/* Keeps the device's engine still while another thread deals with the device. */
static void suspend(struct app *app)
{
	__atomic_store_n(&app->thread[0].suspend, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&app->thread[0].lock);
}

static void resume(struct app *app)
{
	pthread_mutex_unlock(&app->thread[0].lock);
	__atomic_store_n(&app->thread[0].suspend, 0, __ATOMIC_RELEASE);
}

static void create_pool(struct app *app, struct pool *p, size_t element_size)
{
	size_t len = element_size * POOL_BUFS;

	p->element_size = element_size;
	p->mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(p->mem != MAP_FAILED);
	MUST(SUCCESS, doca_mmap_create(&p->mmap));
	MUST(SUCCESS, doca_mmap_set_max_num_devices(p->mmap, 1));
	MUST(SUCCESS, doca_mmap_set_memrange(p->mmap, p->mem, len));
	MUST(SUCCESS, doca_mmap_set_permissions(p->mmap, DOCA_ACCESS_FLAG_LOCAL_READ_WRITE));
	MUST(SUCCESS, doca_mmap_add_dev(p->mmap, app->manager));
	MUST(SUCCESS, doca_mmap_start(p->mmap));
	MUST(SUCCESS, doca_buf_pool_create(POOL_BUFS, element_size, p->mmap, &p->bufs));
	MUST(SUCCESS, doca_buf_pool_start(p->bufs));
}

static void destroy_pool(struct pool *p)
{
	MUST(SUCCESS, doca_buf_pool_stop(p->bufs));
	MUST(SUCCESS, doca_buf_pool_destroy(p->bufs));
	MUST(SUCCESS, doca_mmap_stop(p->mmap));
	MUST(SUCCESS, doca_mmap_destroy(p->mmap));
	munmap(p->mem, p->element_size * POOL_BUFS);
}

static void start_threads(struct app *app)
{
	static const size_t size[NR_POOLS] = {8 << 10, 64 << 10, 256 << 10};

	for (int i = 0; i < APP_THREADS; i++) {
		struct thread *t = &app->thread[i];

		t->app = app;
		pthread_mutex_init(&t->lock, NULL);
		MUST(SUCCESS, doca_pe_create(&t->io_pe));
		MUST(SUCCESS, doca_pe_create(&t->dma_pe));
		if (i == 0)
			MUST(SUCCESS, doca_pe_create(&t->admin_pe));
		for (int j = 0; j < NR_POOLS; j++)
			create_pool(app, &t->pool[j], size[j]);
		CHECK(!pthread_create(&t->id, NULL, run_thread, t));
	}
}

static void stop_threads(struct app *app)
{
	for (int i = 0; i < APP_THREADS; i++)
		__atomic_store_n(&app->thread[i].stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < APP_THREADS; i++)
		pthread_join(app->thread[i].id, NULL);
}

/* ---- managers and functions ---- */

/* Any getter that fails costs the whole manager. */
static void read_function(struct doca_devinfo_rep *info, struct function *f)
{
	char pci_addr[DOCA_DEVINFO_REP_PCI_ADDR_SIZE];
	enum doca_pci_func_type type;

	MUST(SUCCESS, doca_devinfo_rep_get_is_hotplug(info, &f->is_hotplug));
	MUST(SUCCESS, doca_devinfo_rep_get_pci_addr_str(info, pci_addr));
	MUST(SUCCESS, doca_devinfo_rep_get_vuid(info, f->vuid, sizeof(f->vuid)));
	MUST(SUCCESS, doca_devinfo_rep_get_pci_func_type(info, &type));
	CHECK(type == DOCA_PCI_FUNC_TYPE_PF);
}

static void open_functions(struct app *app)
{
	struct doca_devinfo_rep **list;

	MUST(SUCCESS, doca_devemu_vfs_find_default_vfs_type_by_dev(app->manager, &app->type));
	MUST(SUCCESS, doca_devemu_pci_type_create_rep_list(
			      doca_devemu_vfs_type_as_pci_type(app->type), &list,
			      &app->nr_functions));
	CHECK(app->nr_functions && app->nr_functions <= MAX_FUNCTIONS);
	for (uint32_t i = 0; i < app->nr_functions; i++) {
		MUST(SUCCESS, doca_dev_rep_open(list[i], &app->function[i].rep));
		read_function(list[i], &app->function[i]);
	}
	MUST(SUCCESS, doca_devinfo_rep_destroy_list(list));
}

static void open_manager(struct app *app)
{
	char name[DOCA_DEVINFO_IBDEV_NAME_SIZE];
	struct doca_devinfo **list;
	uint8_t supported;
	uint32_t cnt;

	MUST(SUCCESS, doca_devinfo_create_list(&list, &cnt));
	for (uint32_t i = 0; i < cnt && !app->manager; i++) {
		MUST(SUCCESS, doca_devemu_vfs_is_default_vfs_type_supported(list[i], &supported));
		if (!supported)
			continue;
		MUST(SUCCESS, doca_devinfo_get_ibdev_name(list[i], name, sizeof(name)));
		if (!strcmp(name, "mlx5_0"))
			MUST(SUCCESS, doca_dev_open(list[i], &app->manager));
	}
	MUST(SUCCESS, doca_devinfo_destroy_list(list));
	CHECK(app->manager);
}

static void init_library(struct app *app)
{
	struct doca_devemu_vfs_cfg *cfg;

	MUST(SUCCESS, doca_devemu_vfs_cfg_create(&cfg));
	MUST(SUCCESS, doca_devemu_vfs_cfg_add_dev(cfg, app->manager));
	MUST(SUCCESS,
	     doca_devemu_vfs_cfg_set_vfs_fuse_req_user_data_size(cfg, sizeof(struct record)));
	MUST(SUCCESS, doca_devemu_vfs_init(cfg));
	MUST(SUCCESS, doca_devemu_vfs_cfg_destroy(cfg));
}

/* ---- device ---- */

static void on_device_state(const union doca_data user_data, struct doca_ctx *ctx,
			    enum doca_ctx_states prev_state, enum doca_ctx_states next_state)
{
	struct app *app = user_data.ptr;

	if (next_state == DOCA_CTX_STATE_RUNNING)
		CHECK(prev_state == DOCA_CTX_STATE_STARTING);
	__atomic_store_n(&app->state, next_state, __ATOMIC_RELEASE);
	if (prev_state != DOCA_CTX_STATE_STOPPING || next_state != DOCA_CTX_STATE_IDLE ||
	    !app->restart)
		return;
	app->restart = false;
	MUST(ERROR_IN_PROGRESS, doca_ctx_start(ctx));
	want(app, WANT_START_IO);
}

/* Reset and FLR alike: no doca_devemu_virtio_dev_reset_complete(), everything anew instead. */
static void start_over(struct app *app)
{
	__atomic_fetch_add(&app->resets, 1, __ATOMIC_RELAXED);
	app->restart = true;
	MUST(ERROR_IN_PROGRESS, doca_ctx_stop(app->ctx));
	want(app, WANT_STOP_IO);
}

static void on_reset(struct doca_devemu_virtio_dev *virtio_dev, union doca_data event_user_data)
{
	(void)virtio_dev;
	start_over(event_user_data.ptr);
}

static void on_flr(struct doca_devemu_pci_dev *pci_dev, union doca_data user_data)
{
	uint8_t flr;

	MUST(SUCCESS, doca_devemu_pci_dev_is_flr(pci_dev, &flr));
	CHECK(flr);
	start_over(user_data.ptr);
}

/* The function served, found again by its VUID in a listing of its own. */
static void open_device_rep(struct app *app)
{
	char vuid[DOCA_DEVINFO_REP_VUID_SIZE];
	struct doca_devinfo_rep **list;
	uint32_t cnt;

	CHECK(!app->function[0].is_hotplug);
	MUST(SUCCESS, doca_devemu_pci_type_create_rep_list(
			      doca_devemu_vfs_type_as_pci_type(app->type), &list, &cnt));
	for (uint32_t i = 0; i < cnt && !app->rep; i++) {
		MUST(SUCCESS, doca_devinfo_rep_get_vuid(list[i], vuid, sizeof(vuid)));
		if (!strcmp(vuid, app->function[0].vuid))
			MUST(SUCCESS, doca_dev_rep_open(list[i], &app->rep));
	}
	MUST(SUCCESS, doca_devinfo_rep_destroy_list(list));
	CHECK(app->rep);
}

static void configure_device(struct app *app)
{
	struct doca_devemu_virtio_dev *virtio = doca_devemu_vfs_dev_as_virtio_dev(app->dev);
	struct doca_devemu_pci_dev *pci = doca_devemu_vfs_dev_as_pci_dev(app->dev);
	const char tag[DOCA_VFS_TAG_SIZE] = "docavirtiofs";
	union doca_data cookie = {.ptr = app};
	uint16_t min_id, max_id;

	MUST(SUCCESS, doca_devemu_vfs_dev_set_fuse_client_arch(
			      app->dev, DOCA_DEVEMU_VFS_FUSE_CLIENT_ARCH_X86_64));
	MUST(SUCCESS, doca_devemu_vfs_dev_set_tag(app->dev, tag));
	MUST(SUCCESS, doca_devemu_vfs_dev_set_num_request_queues(app->dev, APP_REQUEST_QUEUES));
	MUST(SUCCESS, doca_devemu_virtio_dev_set_num_queues(virtio, APP_REQUEST_QUEUES + 1));
	MUST(SUCCESS, doca_devemu_virtio_dev_set_queue_size(virtio, APP_QUEUE_SIZE));
	MUST(SUCCESS, doca_devemu_virtio_dev_set_num_required_running_virtio_io_ctxs(virtio,
										     APP_THREADS));
	MUST(SUCCESS, doca_devemu_virtio_dev_event_reset_register(virtio, on_reset, cookie));
	MUST(SUCCESS, doca_devemu_pci_dev_event_flr_register(pci, on_flr, cookie));
	MUST(SUCCESS, doca_ctx_set_user_data(app->ctx, cookie));
	MUST(SUCCESS, doca_ctx_set_state_changed_cb(app->ctx, on_device_state));
	MUST(SUCCESS, doca_devemu_vfs_dev_get_req_src_domain_id_range(app->dev, &min_id, &max_id));
	CHECK(min_id == 0 && max_id == APP_REQUEST_QUEUES);
}

static void start_device(struct app *app)
{
	suspend(app);
	open_device_rep(app);
	MUST(SUCCESS, doca_devemu_vfs_dev_create(app->type, app->rep, app->thread[0].admin_pe,
						 &app->dev));
	app->ctx = doca_devemu_vfs_dev_as_ctx(app->dev);
	configure_device(app);
	MUST(ERROR_IN_PROGRESS, doca_ctx_start(app->ctx));
	CHECK(app->state == DOCA_CTX_STATE_STARTING);
	resume(app);
	want(app, WANT_START_IO);
}

static void stop_device(struct app *app)
{
	suspend(app);
	MUST(ERROR_IN_PROGRESS, doca_ctx_stop(app->ctx));
	resume(app);
	want(app, WANT_STOP_IO);
	while (__atomic_load_n(&app->state, __ATOMIC_ACQUIRE) != DOCA_CTX_STATE_IDLE)
		sched_yield();
	suspend(app);
	MUST(SUCCESS, doca_devemu_vfs_dev_destroy(app->dev));
	MUST(SUCCESS, doca_dev_rep_close(app->rep));
	resume(app);
}

/* ---- life ---- */

struct app *app_start(void)
{
	struct app *app = calloc(1, sizeof(*app));

	CHECK(app);
	open_manager(app);
	open_functions(app);
	init_library(app);
	start_threads(app);
	start_device(app);
	return app;
}

void app_stop(struct app *app)
{
	stop_device(app);
	stop_threads(app);
	MUST(SUCCESS, doca_devemu_vfs_teardown()); /* engines, mmaps and managers still exist */
	for (int i = 0; i < APP_THREADS; i++) {
		struct thread *t = &app->thread[i];

		for (int j = 0; j < NR_POOLS; j++)
			destroy_pool(&t->pool[j]);
		MUST(SUCCESS, doca_pe_destroy(t->io_pe));
		MUST(SUCCESS, doca_pe_destroy(t->dma_pe));
		if (t->admin_pe)
			MUST(SUCCESS, doca_pe_destroy(t->admin_pe));
		pthread_mutex_destroy(&t->lock);
	}
	for (uint32_t i = 0; i < app->nr_functions; i++)
		MUST(SUCCESS, doca_dev_rep_close(app->function[i].rep));
	MUST(SUCCESS, doca_dev_close(app->manager));
	free(app);
}

const char *app_vuid(const struct app *app)
{
	return app->function[0].vuid;
}

bool app_is_running(const struct app *app)
{
	return __atomic_load_n(&app->state, __ATOMIC_ACQUIRE) == DOCA_CTX_STATE_RUNNING;
}

unsigned int app_resets(const struct app *app)
{
	return __atomic_load_n(&app->resets, __ATOMIC_ACQUIRE);
}

unsigned int app_held(const struct app *app)
{
	return __atomic_load_n(&app->held, __ATOMIC_ACQUIRE);
}

unsigned int app_forgets(const struct app *app)
{
	return __atomic_load_n(&app->forgets, __ATOMIC_ACQUIRE);
}
