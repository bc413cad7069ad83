/* SPDX-License-Identifier: BSD-3-Clause */
/* Copy tasks: what is copied, what is refused, and when callbacks come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <poll.h>
#include <string.h>

#include "base/util.h"
#include "core/buf.h"
#include "core/ctx.h"
#include "doca_dev.h"
#include "doca_dma.h"
#include "doca_pe.h"
#include "softdpu_ext.h"

#define assert_doca(call, expected) assert_int_equal((call), (expected))
#define assert_ok(call) assert_doca(call, DOCA_SUCCESS)

#define NR_TASKS 8

/* One engine, one running copy context, and what its callbacks saw. */
struct world {
	struct doca_devinfo **list;
	struct doca_dev *dev;
	struct doca_pe *pe;
	struct doca_dma *dma;
	struct doca_ctx *ctx;
	unsigned int nr_done, nr_failed;
	uint64_t last_cookie;
	doca_error_t last_status;
	bool keep; /* the callback does not free the task */
	void (*act)(struct world *w, struct doca_dma_task_memcpy *task);
};

static void on_report(struct doca_dma_task_memcpy *task, union doca_data task_data,
		      union doca_data ctx_data, unsigned int *counter)
{
	struct world *w = ctx_data.ptr;

	(*counter)++;
	w->last_cookie = task_data.u64;
	w->last_status = doca_task_get_status(doca_dma_task_memcpy_as_task(task));
	if (w->act)
		w->act(w, task);
	if (!w->keep)
		doca_task_free(doca_dma_task_memcpy_as_task(task));
}

static void on_done(struct doca_dma_task_memcpy *task, union doca_data task_data,
		    union doca_data ctx_data)
{
	on_report(task, task_data, ctx_data, &((struct world *)ctx_data.ptr)->nr_done);
	assert_int_equal(((struct world *)ctx_data.ptr)->last_status, DOCA_SUCCESS);
}

static void on_failed(struct doca_dma_task_memcpy *task, union doca_data task_data,
		      union doca_data ctx_data)
{
	on_report(task, task_data, ctx_data, &((struct world *)ctx_data.ptr)->nr_failed);
	assert_int_not_equal(((struct world *)ctx_data.ptr)->last_status, DOCA_SUCCESS);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	union doca_data data = { .ptr = w };
	uint32_t cnt;

	assert_non_null(w);
	assert_ok(doca_devinfo_create_list(&w->list, &cnt));
	assert_ok(doca_dev_open(w->list[0], &w->dev));
	assert_ok(doca_pe_create(&w->pe));
	assert_ok(doca_dma_create(w->dev, &w->dma));
	w->ctx = doca_dma_as_ctx(w->dma);
	assert_ok(doca_ctx_set_user_data(w->ctx, data));
	assert_ok(doca_pe_connect_ctx(w->pe, w->ctx));
	assert_ok(doca_dma_task_memcpy_set_conf(w->dma, on_done, on_failed, NR_TASKS));
	assert_ok(doca_ctx_start(w->ctx));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	if (w->dma) {
		if (!ctx_is_idle(w->ctx))
			assert_ok(doca_ctx_stop(w->ctx));
		assert_ok(doca_dma_destroy(w->dma));
	}
	assert_ok(doca_pe_destroy(w->pe));
	assert_ok(doca_dev_close(w->dev));
	assert_ok(doca_devinfo_destroy_list(w->list));
	free(w);
	return 0;
}

static struct doca_dma_task_memcpy *new_task(struct world *w, const struct doca_buf *src,
					     struct doca_buf *dst, uint64_t cookie)
{
	union doca_data data = { .u64 = cookie };
	struct doca_dma_task_memcpy *task;

	assert_ok(doca_dma_task_memcpy_alloc_init(w->dma, src, dst, data, &task));
	return task;
}

/* Runs one task to its end; its status. */
static doca_error_t run(struct world *w, const struct doca_buf *src, struct doca_buf *dst)
{
	struct doca_dma_task_memcpy *task = new_task(w, src, dst, 0);

	assert_ok(doca_task_submit(doca_dma_task_memcpy_as_task(task)));
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_int_equal(doca_pe_progress(w->pe), 0);
	return w->last_status;
}

/* A list over text; data segments are full, or empty for a destination. */
static void make_list(struct doca_buf *buf, char **text, size_t *len, unsigned int cnt, bool full)
{
	struct iovec seg[4] = { 0 };
	unsigned int i;

	for (i = 0; i < cnt; i++)
		seg[i] = (struct iovec){ text[i], len[i] };
	buf_list_init_fixed(buf, seg, cnt, true);
	for (i = 0; i < cnt && !full; i++)
		doca_buf_reset_data_len(&buf[i]);
}

static void make(struct doca_buf *buf, char *text, size_t len, bool full)
{
	make_list(buf, &text, &len, 1, full);
}

static void test_appends(void **state)
{
	char from[] = "world", to[16] = "hello ";
	struct doca_buf src, dst;

	make(&src, from, 5, true);
	make(&dst, to, sizeof(to), false);
	doca_buf_set_data_len(&dst, 6);
	assert_ok(run(*state, &src, &dst));
	assert_string_equal(to, "hello world");
	assert_int_equal(dst.data_len, 11);
	assert_int_equal(src.data_len, 5);
	doca_buf_reset_data_len(&dst);
	assert_ok(run(*state, &src, &dst)); /* overwrites */
	assert_memory_equal(to, "world", 5);
	doca_buf_set_data(&dst, to + 4, 0);
	assert_ok(run(*state, &src, &dst));
	assert_memory_equal(to, "worlworld", 9);
}

static void test_lists(void **state)
{
	char a[] = "abc", b[] = "", c[] = "defgh", to1[4] = "", to2[2] = "", to3[8] = "";
	char *from[] = { a, b, c }, *to[] = { to1, to2, to3 };
	size_t from_len[] = { 3, 0, 5 }, to_len[] = { 4, 2, 8 };
	struct doca_buf src[3], dst[3];

	make_list(src, from, from_len, 3, true);
	make_list(dst, to, to_len, 3, false);
	assert_ok(run(*state, src, dst));
	assert_memory_equal(to1, "abcd", 4);
	assert_memory_equal(to2, "ef", 2);
	assert_memory_equal(to3, "gh\0", 3);
	assert_int_equal(dst[0].data_len, 4);
	assert_int_equal(dst[1].data_len, 2);
	assert_int_equal(dst[2].data_len, 2);
}

static void test_inner_elements(void **state)
{
	char a[] = "abc", b[] = "xyz", to1[4] = "", to2[4] = "";
	char *from[] = { a, b }, *to[] = { to1, to2 };
	size_t from_len[] = { 3, 3 }, to_len[] = { 4, 4 };
	struct doca_buf src[2], dst[2];

	make_list(src, from, from_len, 2, true);
	make_list(dst, to, to_len, 2, false);
	assert_ok(run(*state, &src[1], &dst[1]));
	assert_memory_equal(to1, "\0\0\0\0", 4);
	assert_memory_equal(to2, "xyz", 3);
	assert_int_equal(dst[0].data_len, 0);
	assert_int_equal(dst[1].data_len, 3);
}

static void test_refused(void **state)
{
	char from[8] = "1234567", to[16] = "";
	struct world *w = *state;
	struct doca_buf src, dst;

	make(&src, from, 8, true);
	make(&dst, to, 8, false);
	assert_doca(run(w, NULL, &dst), DOCA_ERROR_INVALID_VALUE);
	assert_doca(run(w, &src, NULL), DOCA_ERROR_INVALID_VALUE);

	doca_buf_set_data_len(&dst, 1); /* one byte short of room */
	assert_doca(run(w, &src, &dst), DOCA_ERROR_INVALID_VALUE);
	assert_memory_equal(to, "\0\0\0\0\0\0\0\0", 8); /* nothing written */
	assert_int_equal(dst.data_len, 1);
	doca_buf_set_data(&dst, to + 9, 0); /* segments outside their windows */
	assert_doca(run(w, &src, &dst), DOCA_ERROR_INVALID_VALUE);
	doca_buf_set_data(&dst, to, 0);
	doca_buf_set_data_len(&src, 9);
	assert_doca(run(w, &src, &dst), DOCA_ERROR_INVALID_VALUE);
	doca_buf_set_data(&src, (void *)((uintptr_t)from - 1), 2);
	assert_doca(run(w, &src, &dst), DOCA_ERROR_INVALID_VALUE);
	doca_buf_set_data(&src, from, SIZE_MAX);
	assert_doca(run(w, &src, &dst), DOCA_ERROR_INVALID_VALUE);

	doca_buf_set_data(&src, from, 8);
	dst.writable = false;
	assert_doca(run(w, &src, &dst), DOCA_ERROR_NOT_PERMITTED);
	dst.writable = true;
	src.writable = false;
	assert_ok(run(w, &src, &dst));
	assert_int_equal(w->nr_done, 1);
	assert_int_equal(w->nr_failed, 8);
}

static void test_nothing_to_copy(void **state)
{
	char from[1], to[1];
	struct doca_buf src, dst;

	make(&src, from, 1, false);
	make(&dst, to, 1, true); /* no room needed */
	assert_ok(run(*state, &src, &dst));
	assert_int_equal(dst.data_len, 1);
}

static void test_limits(void **state)
{
	static struct doca_buf bufs[BUF_MAX_LIST_LEN + 1];
	static struct iovec seg[ARRAY_SIZE(bufs)];
	char from[ARRAY_SIZE(bufs)] = "", to[ARRAY_SIZE(bufs)] = "";
	struct doca_buf dst, src;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bufs); i++)
		seg[i] = (struct iovec){ &from[i], 1 };
	buf_list_init_fixed(bufs, seg, ARRAY_SIZE(bufs), true);
	make(&dst, to, sizeof(to), false);
	assert_doca(run(*state, bufs, &dst), DOCA_ERROR_INVALID_VALUE);
	buf_list_init_fixed(bufs, seg, BUF_MAX_LIST_LEN, true);
	assert_ok(run(*state, bufs, &dst));
	assert_int_equal(dst.data_len, BUF_MAX_LIST_LEN);

	/* Windows so large are never read: the sum of the lengths is refused. */
	seg[0].iov_len = seg[1].iov_len = 0x40000000;
	buf_list_init_fixed(&src, seg, 1, true);
	src.len = src.data_len = 0x80000000;
	assert_doca(run(*state, &src, &dst), DOCA_ERROR_INVALID_VALUE);
	buf_list_init_fixed(bufs, seg, 2, true);
	assert_doca(run(*state, bufs, &dst), DOCA_ERROR_INVALID_VALUE);
}

/* Random lists against a plain copy of their contents. */
static void test_random_lists(void **state)
{
	char from[64], to[64], expected[64];
	struct doca_buf src[4], dst[4];
	int round, i;

	srandom(1);
	for (round = 0; round < 2000; round++) {
		size_t from_len[4], to_len[4], room = 0, sum = 0, done = 0, used[4];
		char *src_at[4], *dst_at[4];

		memset(to, 0, sizeof(to));
		memset(expected, 0, sizeof(expected));
		for (i = 0; i < 64; i++)
			from[i] = (char)random();
		for (i = 0; i < 4; i++) {
			src_at[i] = from + i * 16;
			dst_at[i] = to + i * 16;
			from_len[i] = (size_t)random() % 17;
			to_len[i] = (size_t)random() % 17;
			used[i] = to_len[i] ? (size_t)random() % to_len[i] : 0;
			room += to_len[i] - used[i];
			sum += from_len[i];
		}
		make_list(src, src_at, from_len, 4, true);
		make_list(dst, dst_at, to_len, 4, false);
		for (i = 0; i < 4; i++)
			doca_buf_set_data_len(&dst[i], used[i]);
		for (i = 0; i < 4 && sum <= room; i++) {
			size_t k;

			for (k = 0; k < from_len[i]; k++, done++) {
				size_t skip = done;
				int d = 0;

				while (skip >= to_len[d] - used[d])
					skip -= to_len[d] - used[d], d++;
				expected[(size_t)d * 16 + used[d] + skip] = src_at[i][k];
			}
		}
		assert_doca(run(*state, src, dst),
			    sum <= room ? DOCA_SUCCESS : DOCA_ERROR_INVALID_VALUE);
		assert_memory_equal(to, expected, sizeof(to));
	}
}

static void test_reports_come_one_by_one_in_order(void **state)
{
	struct world *w = *state;
	char from[1] = "x", to[NR_TASKS];
	struct doca_buf src, dst;
	uint64_t i;
	size_t cnt;

	make(&src, from, 1, true);
	make(&dst, to, NR_TASKS, false);
	for (i = 1; i <= NR_TASKS; i++)
		assert_ok(doca_task_submit_ex(
			doca_dma_task_memcpy_as_task(new_task(w, &src, &dst, i)),
			i % 2 ? DOCA_TASK_SUBMIT_FLAG_NONE :
				DOCA_TASK_SUBMIT_FLAG_FLUSH |
					DOCA_TASK_SUBMIT_FLAG_OPTIMIZE_REPORTS));
	assert_int_equal(w->nr_done, 0); /* never from within submit */
	doca_ctx_flush_tasks(w->ctx);
	assert_int_equal(w->nr_done, 0);
	assert_ok(doca_ctx_get_num_inflight_tasks(w->ctx, &cnt));
	assert_int_equal(cnt, NR_TASKS);
	for (i = 1; i <= NR_TASKS; i++) {
		assert_int_equal(doca_pe_progress(w->pe), 1);
		assert_int_equal(w->nr_done, i);
		assert_int_equal(w->last_cookie, i);
		assert_int_equal(dst.data_len, i);
	}
	assert_int_equal(doca_pe_progress(w->pe), 0);
	assert_ok(doca_pe_get_num_inflight_tasks(w->pe, &cnt));
	assert_int_equal(cnt, 0);
}

static void test_task_rules(void **state)
{
	struct world *w = *state;
	struct doca_dma_task_memcpy *task, *extra, *all[NR_TASKS];
	union doca_data data = { .u64 = 77 };
	char from[4] = "abc", to[4] = "";
	struct doca_buf src, dst;
	struct doca_task *base;
	int i;

	make(&src, from, 4, true);
	make(&dst, to, 4, false);
	assert_doca(doca_task_submit(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_task_try_submit(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_task_batch_submit(NULL), DOCA_ERROR_NOT_SUPPORTED);
	doca_task_free(NULL);
	for (i = 0; i < NR_TASKS; i++)
		all[i] = new_task(w, NULL, NULL, 0);
	assert_doca(doca_dma_task_memcpy_alloc_init(w->dma, &src, &dst, data, &extra),
		    DOCA_ERROR_NO_MEMORY);
	for (i = 1; i < NR_TASKS; i++)
		doca_task_free(doca_dma_task_memcpy_as_task(all[i]));
	task = all[0];
	base = doca_dma_task_memcpy_as_task(task);

	assert_doca(doca_task_try_submit(base), DOCA_ERROR_INVALID_VALUE); /* still ours */
	doca_dma_task_memcpy_set_src(task, &src);
	doca_dma_task_memcpy_set_dst(task, &dst);
	assert_ptr_equal(doca_dma_task_memcpy_get_src(task), &src);
	assert_ptr_equal(doca_dma_task_memcpy_get_dst(task), &dst);
	doca_task_set_user_data(base, data);
	assert_int_equal(doca_task_get_user_data(base).u64, 77);
	assert_ptr_equal(doca_task_get_ctx(base), w->ctx);
	assert_doca(doca_task_submit_ex(base, 4), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_task_try_submit(base));
	assert_doca(doca_task_submit(base), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_task_try_submit(base), DOCA_ERROR_BAD_STATE);
	doca_task_free(base); /* not ours now: ignored */
	w->keep = true;
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_int_equal(w->last_cookie, 77);
	doca_buf_reset_data_len(&dst);
	assert_ok(doca_task_submit(base)); /* used again */
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_int_equal(w->nr_done, 2);
	doca_task_free(base);
	assert_ptr_equal(new_task(w, &src, &dst, 0), task); /* and a free one is taken again */
	doca_task_free(base);
}

static void test_configuration(void **state)
{
	struct world *w = *state;
	struct doca_dma_task_memcpy *task;
	union doca_data data = { 0 };
	struct doca_gpu_dma *gpu;
	struct doca_dma *dma;
	uint64_t size;
	uint32_t max;

	assert_doca(doca_dma_create(NULL, &dma), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dma_create(w->dev, NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dma_destroy(NULL), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dma_destroy(w->dma), DOCA_ERROR_BAD_STATE);
	assert_null(doca_dma_as_ctx(NULL));
	assert_null(doca_dma_task_memcpy_as_task(NULL));
	assert_doca(doca_dma_get_gpu_handle(w->dma, &gpu), DOCA_ERROR_NOT_SUPPORTED);
	assert_doca(doca_dma_task_memcpy_set_conf(w->dma, on_done, on_failed, 1),
		    DOCA_ERROR_BAD_STATE);
	assert_ok(doca_dma_cap_task_memcpy_is_supported(w->list[0]));
	assert_ok(doca_dma_cap_get_max_num_tasks(w->dma, &max));
	assert_true(max >= 195840); /* 256 entries x 255 queues x 3 */
	assert_ok(doca_dma_cap_task_memcpy_get_max_buf_list_len(w->list[0], &max));
	assert_int_equal(max, BUF_MAX_LIST_LEN);
	assert_ok(doca_dma_cap_task_memcpy_get_max_buf_size(w->list[0], &size));
	assert_int_equal(size, 0x7fffffff);

	assert_ok(doca_dma_create(w->dev, &dma));
	assert_ok(doca_pe_connect_ctx(w->pe, doca_dma_as_ctx(dma)));
	assert_doca(doca_ctx_start(doca_dma_as_ctx(dma)), DOCA_ERROR_BAD_CONFIG);
	assert_doca(doca_dma_task_memcpy_alloc_init(dma, NULL, NULL, data, &task),
		    DOCA_ERROR_BAD_STATE);
	assert_doca(doca_dma_task_memcpy_set_conf(dma, NULL, on_failed, 1),
		    DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dma_task_memcpy_set_conf(dma, on_done, NULL, 1), DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dma_task_memcpy_set_conf(dma, on_done, on_failed, 0),
		    DOCA_ERROR_INVALID_VALUE);
	assert_doca(doca_dma_task_memcpy_set_conf(dma, on_done, on_failed, (1 << 20) + 1),
		    DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_dma_set_ordered_completions(dma, 1));
	assert_ok(doca_dma_destroy(dma));
}

static void test_ordered_completions(void **state)
{
	struct world *w = *state;
	struct doca_task *task = doca_dma_task_memcpy_as_task(new_task(w, NULL, NULL, 0));

	assert_doca(doca_dma_set_ordered_completions(NULL, 1), DOCA_ERROR_INVALID_VALUE);
	assert_ok(doca_dma_set_ordered_completions(w->dma, 1)); /* after start as well */
	assert_ok(doca_task_submit(task));
	assert_doca(doca_dma_set_ordered_completions(w->dma, 0), DOCA_ERROR_BAD_STATE);
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_ok(doca_dma_set_ordered_completions(w->dma, 0));
}

static void test_many_tasks(void **state)
{
	enum { MANY = 195840 };
	struct world *w = *state;
	char from[1] = "", to[1];
	struct doca_buf src, dst;
	int i;

	make(&src, from, 1, false);
	make(&dst, to, 1, false);
	assert_ok(doca_ctx_stop(w->ctx));
	assert_ok(doca_dma_task_memcpy_set_conf(w->dma, on_done, on_failed, MANY));
	assert_ok(doca_ctx_start(w->ctx));
	for (i = 0; i < MANY; i++)
		assert_ok(doca_task_submit(doca_dma_task_memcpy_as_task(
			new_task(w, &src, &dst, (uint64_t)i))));
	for (i = 0; i < MANY; i++) {
		if (doca_pe_progress(w->pe) != 1 || w->last_cookie != (uint64_t)i)
			fail_msg("task %d was not the next one reported", i);
	}
	assert_int_equal(w->nr_done, MANY);
}

static void test_stop_finishes_what_is_in_flight(void **state)
{
	struct world *w = *state;
	struct doca_dma_task_memcpy *extra;
	char from[1] = "x", to[2];
	struct doca_task *spare;
	struct doca_buf src, dst;
	union doca_data data = { 0 };
	int i;

	make(&src, from, 1, true);
	make(&dst, to, 2, false);
	spare = doca_dma_task_memcpy_as_task(new_task(w, &src, &dst, 0));
	for (i = 0; i < 2; i++)
		assert_ok(doca_task_submit(
			doca_dma_task_memcpy_as_task(new_task(w, &src, &dst, 0))));
	assert_doca(doca_ctx_stop(w->ctx), DOCA_ERROR_IN_PROGRESS);
	assert_doca(doca_dma_task_memcpy_alloc_init(w->dma, &src, &dst, data, &extra),
		    DOCA_ERROR_BAD_STATE);
	assert_doca(doca_task_submit(spare), DOCA_ERROR_BAD_STATE);
	assert_doca(doca_dma_destroy(w->dma), DOCA_ERROR_BAD_STATE);
	doca_task_free(spare);
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_int_equal(w->nr_done, 2);
	assert_int_equal(w->ctx->state, DOCA_CTX_STATE_STOPPING);
	assert_int_equal(doca_pe_progress(w->pe), 1); /* IDLE is a unit of its own */
	assert_true(ctx_is_idle(w->ctx));
	assert_ok(doca_ctx_start(w->ctx));
	assert_ok(doca_ctx_stop(w->ctx)); /* nothing in flight: at once */
	assert_int_equal(doca_pe_progress(w->pe), 0);
}

static void stop_in_report(struct world *w, struct doca_dma_task_memcpy *task)
{
	assert_doca(doca_ctx_stop(w->ctx), DOCA_ERROR_IN_PROGRESS);
	assert_doca(doca_dma_destroy(w->dma), DOCA_ERROR_BAD_STATE);
}

static void destroy_when_idle(const union doca_data user_data, struct doca_ctx *ctx,
			      enum doca_ctx_states prev, enum doca_ctx_states next)
{
	struct world *w = user_data.ptr;

	if (next == DOCA_CTX_STATE_IDLE) {
		assert_ok(doca_dma_destroy(w->dma));
		w->dma = NULL;
	}
}

static void test_stop_in_own_callback(void **state)
{
	struct world *w = *state;

	w->act = stop_in_report;
	assert_ok(doca_ctx_set_state_changed_cb(w->ctx, destroy_when_idle));
	assert_ok(doca_task_submit(doca_dma_task_memcpy_as_task(new_task(w, NULL, NULL, 0))));
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_non_null(w->dma);
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_null(w->dma);
	assert_int_equal(doca_pe_progress(w->pe), 0);
}

static void submit_again(struct world *w, struct doca_dma_task_memcpy *task)
{
	w->keep = w->nr_failed < 5;
	if (w->keep)
		assert_ok(doca_task_submit(doca_dma_task_memcpy_as_task(task)));
}

static void test_submit_in_callback(void **state)
{
	struct world *w = *state;
	int i;

	w->act = submit_again;
	assert_ok(doca_task_submit(doca_dma_task_memcpy_as_task(new_task(w, NULL, NULL, 0))));
	for (i = 0; i < 5; i++)
		assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_int_equal(doca_pe_progress(w->pe), 0);
	assert_int_equal(w->nr_failed, 5);
}

static void test_submit_wakes_a_sleeper(void **state)
{
	struct world *w = *state;
	struct pollfd pfd = { .events = POLLIN };

	assert_ok(doca_pe_get_notification_handle(w->pe, &pfd.fd));
	assert_ok(doca_pe_request_notification(w->pe));
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_ok(doca_task_submit(doca_dma_task_memcpy_as_task(new_task(w, NULL, NULL, 0))));
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_ok(doca_pe_clear_notification(w->pe, 0));
	assert_ok(doca_pe_request_notification(w->pe)); /* work is waiting already */
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_int_equal(doca_pe_progress(w->pe), 1);
	assert_int_equal(poll(&pfd, 1, 0), 0);
}

static void test_device_stays_while_used(void **state)
{
	struct world *w = *state;

	assert_doca(doca_dev_close(w->dev), DOCA_ERROR_IN_USE);
}

static int use_default_board(void **state)
{
	return softdpu_board_set("{\"managers\": [{}]}") == DOCA_SUCCESS ? 0 : -1;
}

int main(void)
{
#define WITH_WORLD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_WORLD(test_appends),
		WITH_WORLD(test_lists),
		WITH_WORLD(test_inner_elements),
		WITH_WORLD(test_refused),
		WITH_WORLD(test_nothing_to_copy),
		WITH_WORLD(test_limits),
		WITH_WORLD(test_random_lists),
		WITH_WORLD(test_reports_come_one_by_one_in_order),
		WITH_WORLD(test_task_rules),
		WITH_WORLD(test_configuration),
		WITH_WORLD(test_ordered_completions),
		WITH_WORLD(test_many_tasks),
		WITH_WORLD(test_stop_finishes_what_is_in_flight),
		WITH_WORLD(test_stop_in_own_callback),
		WITH_WORLD(test_submit_in_callback),
		WITH_WORLD(test_submit_wakes_a_sleeper),
		WITH_WORLD(test_device_stays_while_used),
	};

	return cmocka_run_group_tests(tests, use_default_board, NULL);
}
